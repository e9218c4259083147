using Takt.Data;

namespace Takt.Tests.Data;

public sealed class ProfilerTests
{
    static TableProfile Profile(params Column[] columns) => Profiler.Profile(new Table(columns));

    [Fact]
    public void Numbers_have_moments_quantiles_and_bins_that_add_up()
    {
        var column = Profile(Column.Of("x", Enumerable.Range(1, 1000).Select(i => (double)i).Append(double.NaN).Append(double.PositiveInfinity).ToArray())).Columns[0];
        Assert.Equal((1000, 2, 1000), (column.Count, column.Missing, column.Distinct));
        Assert.Equal((1, 1000, 500.5), (column.Min, column.Max, column.Mean));
        Assert.Equal(288.8194360957494, column.Std!.Value, 1e-9); // numpy.std(ddof=1)
        Assert.Equal([10, 100, 200, 300, 400, 500, 600, 700, 800, 900, 990], column.Quantiles);
        Assert.Equal([10, 90, 100, 100, 100, 100, 100, 100, 100, 100, 90, 10], column.BinCounts);
        Assert.Empty(column.Top);
    }

    [Fact]
    public void A_value_falls_in_the_bin_that_was_counted()
    {
        var values = new double[] { 1, 1, 1, 2, 3, 3, 7, 7, 7, 9, 100 };
        var column = Profile(Column.Of("x", values)).Columns[0];
        var counted = new long[column.BinCounts.Count];
        foreach (var value in values) counted[column.BinOf(value)]++;
        Assert.Equal(column.BinCounts, counted);
        Assert.Equal(-1, column.BinOf(double.NaN));
    }

    [Fact]
    public void Texts_booleans_and_few_numbers_have_their_values_counted()
    {
        var profile = Profile(
            Column.Of("day", new long[] { 1, 2, 2, 7 }),
            Column.Of("late", [true, false, false, false]),
            Column.Of("origin", new[] { "SEA", "JFK", "JFK", null }));
        Assert.Equal([new("2", 2), new("1", 1), new("7", 1)], profile.Find("day")!.Top);
        Assert.Equal([new("false", 3), new("true", 1)], profile.Find("late")!.Top);
        Assert.Equal(0.25, profile.Find("late")!.Mean);
        Assert.Equal([new("JFK", 2), new("SEA", 1)], profile.Find("origin")!.Top);
        Assert.True(profile.Find("origin")!.TopIsAll);
        Assert.Null(profile.Find("origin")!.Mean);
    }

    [Fact]
    public void A_profile_survives_its_json()
    {
        var profile = Profile(Column.Of("x", new double[] { 1, 2, 3 }), Column.Of("empty", new double[] { double.NaN, double.NaN, double.NaN }), Column.OfTimes("at", [1, 2, 3]));
        Assert.Equal(profile.ToJson(), TableProfile.Parse(profile.ToJson()).ToJson());
        Assert.Equal(3, profile.Find("empty")!.Missing);
        Assert.Empty(profile.Find("empty")!.Cuts);
    }

    [Fact]
    public void An_empty_table_has_a_profile_of_no_rows()
    {
        var profile = Profile(Column.Of("x", Array.Empty<long>()), Column.Of("t", Array.Empty<string>()));
        Assert.Equal(0, profile.Rows);
        Assert.All(profile.Columns, column => Assert.Equal(0, column.Count));
    }

    [Fact]
    public void A_table_of_many_columns_is_profiled_in_groups_and_its_values_are_counted()
    {
        var file = Path.Combine(Path.GetTempPath(), $"takt-{Guid.NewGuid():N}.csv");
        try
        {
            File.WriteAllText(file, string.Join(',', Enumerable.Range(0, 450).Select(i => $"c{i}")) + "\n"
                + string.Concat(Enumerable.Range(0, 3).Select(row => string.Join(',', Enumerable.Range(0, 450).Select(i => i % 2 == 0 ? $"{row * i}" : row == 0 ? "it's \u00fc" : "b")) + "\n")));
            var profile = Profiler.Profile([file]);
            Assert.Equal((3, 450), (profile.Rows, profile.Columns.Count));
            Assert.Equal(2 * 448, profile.Find("c448")!.Max);
            Assert.Equal([new("b", 2), new("it's \u00fc", 1)], profile.Find("c449")!.Top);
            Assert.Equal([new("0", 1), new("4", 1), new("8", 1)], profile.Find("c4")!.Top);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void A_very_wide_table_has_the_profile_of_its_columns()
    {
        var random = new Random(3);
        Column Of(int i) => (i % 3) switch
        {
            0 => Column.Of($"c{i}", Enumerable.Range(0, 60).Select(_ => (long)random.Next(-20, 20)).ToArray()),
            1 => Column.Of($"c{i}", Enumerable.Range(0, 60).Select(j => j % 7 == 0 ? double.NaN : random.NextDouble() - 0.5).ToArray()),
            _ => Column.Of($"c{i}", Enumerable.Range(0, 60).Select(j => j % 9 == 0 ? null : $"t{random.Next(8)}").ToArray()),
        };
        var columns = Enumerable.Range(0, 450).Select(Of).ToArray();
        var wide = Profile(columns);
        Assert.Equal(450, wide.Columns.Count);
        // fewer columns are counted in another way
        Assert.Equal(Profile(columns[..150]).ToJson(), (wide with { Columns = wide.Columns.Take(150).ToList() }).ToJson());
        Assert.Equal(Profile(columns[300..]).ToJson(), (wide with { Columns = wide.Columns.Skip(300).ToList() }).ToJson());
    }
}
