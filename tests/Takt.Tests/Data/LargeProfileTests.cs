using System.Globalization;
using System.IO.Compression;
using System.Text;
using DuckDB.NET.Data;
using Takt.Data;

namespace Takt.Tests.Data;

/// <summary>Profiles of what is counted in other ways than a small table is, and of files that are no one table.</summary>
public sealed class LargeProfileTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string Write(string name, string text)
    {
        File.WriteAllText(Path.Combine(_folder, name), text);
        return Path.Combine(_folder, name);
    }

    [Fact]
    public void Many_rows_have_the_statistics_that_sorting_all_of_them_gives()
    {
        using var connection = DuckDb.Open();
        // more rows than are sorted at once: a unique column, one value in half of the rows, reals of both signs with missing ones, few texts
        const int Rows = 60_000;
        DuckDb.Execute(connection, $"create table t as select i * 3 as id, case when i % 2 = 0 then 7 else i % 1009 end as half, case when i % 11 = 0 then null when i % 13 = 0 then 'nan'::double else (i % 20001 - 10000) / 8.0 end as real, 't' || (i % 600) as text from range({Rows}) r(i)");
        var profile = Profiler.Profile(connection, "t", most: 4096);
        Assert.Equal(Rows, profile.Rows);
        foreach (var (name, value) in ((string, string)[])[("id", "id"), ("half", "half"), ("real", "case when isfinite(real) then real end")])
        {
            var column = profile.Find(name)!;
            var expected = Tables.Query(connection, $"select count(v), count(distinct v), min(v)::double, max(v)::double, avg(v), stddev_samp(v), quantile_disc(v, [{string.Join(", ", TableProfile.Probabilities.Select(p => p.ToString(CultureInfo.InvariantCulture)))}])::double[]::varchar from (select {value} as v from t)");
            Assert.Equal((expected.Columns[0].Integers[0], expected.Columns[1].Integers[0]), (column.Count, column.Distinct));
            Assert.Equal(Rows - column.Count, column.Missing);
            Assert.Equal((expected.Columns[2].Numbers[0], expected.Columns[3].Numbers[0]), (column.Min, column.Max));
            Assert.Equal(1, expected.Columns[4].Numbers[0] / column.Mean!.Value, 1e-9);
            Assert.Equal(1, expected.Columns[5].Numbers[0] / column.Std!.Value, 1e-9);
            Assert.Equal(expected.Columns[6].Texts[0]!.Trim('[', ']').Split(", ").Select(text => double.Parse(text, CultureInfo.InvariantCulture)), column.Quantiles);
            for (var bin = 0; bin < column.BinCounts.Count; bin++)
            {
                var within = (bin == 0 ? "true" : $"v > {Text(column.Cuts[bin - 1])}") + (bin == column.Cuts.Count ? "" : $" and v <= {Text(column.Cuts[bin])}");
                Assert.Equal(Tables.Query(connection, $"select count(*) from (select {value} as v from t) where v is not null and {within}").Columns[0].Integers[0], column.BinCounts[bin]);
            }
        }
        var text = profile.Find("text")!;
        Assert.Equal((600, 500, Rows), (text.Distinct, text.Top.Count, text.Count));
        Assert.Equal(text.Top.OrderByDescending(value => value.Count).ThenBy(value => value.Value, StringComparer.Ordinal), text.Top);

        static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture) + "::double";
    }

    [Fact]
    public void Texts_that_are_too_many_to_be_grouped_at_once_are_counted_as_those_that_are_few()
    {
        using var connection = DuckDb.Open();
        DuckDb.Execute(connection, "create table t as select case when i % 10 = 0 then null when i % 3 = 0 then 'often ' || (i % 7) else 'seldom ' || (i % 20000) end as text from range(60000) r(i)");
        var (parts, whole) = (Profiler.Profile(connection, "t", most: 4096), Profiler.Profile(connection, "t"));
        Assert.Equal((54_000, 6_000), (whole.Columns[0].Count, whole.Columns[0].Missing));
        Assert.Equal(whole.ToJson(), parts.ToJson());
    }

    [Fact]
    public void Equal_rows_in_another_order_have_an_equal_profile()
    {
        using var connection = DuckDb.Open();
        DuckDb.Execute(connection, "create table a as select sin(i) * 1e6 as x, i % 7 as k, 'v' || (i * 31 % 997) as t from range(50000) r(i); create table b as select * from a order by hash(x)");
        Assert.Equal(Profiler.Profile(connection, "a").ToJson(), Profiler.Profile(connection, "b").ToJson());
    }

    [Fact]
    public void Whole_numbers_that_are_one_double_are_different_values()
    {
        const long First = 1L << 53;
        var column = Profiler.Profile(new Table([Column.Of("id", Enumerable.Range(0, 400).Select(i => First + i).ToArray())])).Columns[0];
        Assert.Equal((400, 400), (column.Count, column.Distinct));
        Assert.Equal(400, column.BinCounts.Sum());
        var counted = new long[column.BinCounts.Count];
        for (var i = 0; i < 400; i++) counted[column.BinOf(First + i)]++;
        Assert.Equal(counted, column.BinCounts);
    }

    [Fact]
    public void Values_are_named_as_their_type_writes_them()
    {
        using var connection = DuckDb.Open();
        DuckDb.Execute(connection, "create table t as select (i % 3)::decimal(10,2) / 4 as d, (i % 2)::float / 10 as f, (i % 2)::double as x, i % 2 = 0 as b, 18446744073709551615::ubigint as u from range(30000) r(i)");
        var profile = Profiler.Profile(connection, "t");
        Assert.Equal(["0.0", "0.1"], profile.Find("f")!.Top.Select(top => top.Value));
        Assert.Equal(["0.0", "1.0"], profile.Find("x")!.Top.Select(top => top.Value));
        Assert.Equal(["false", "true"], profile.Find("b")!.Top.Select(top => top.Value));
        Assert.Equal((1L, 18446744073709551615d), (profile.Find("u")!.Distinct, profile.Find("u")!.Max));
    }

    [Fact]
    public void Tables_of_several_kinds_that_are_read_as_one_are_named_and_a_column_that_came_later_is_no_other_kind()
    {
        Write("2001.csv", "id,price\n1,2\n");
        Write("2002.csv", "id,price,shop\n1,2,3\n");
        Assert.Null(Profiler.Profile([_folder]).Kinds);
        Write("people.csv", "id,name\n1,x\n");
        var kinds = Profiler.Profile([_folder]).Kinds!;
        Assert.Equal(["2001.csv", "2002.csv", "people.csv"], kinds.Select(kind => kind.First).Order(StringComparer.Ordinal));
        Assert.Equal(kinds.Count, TableProfile.Parse(Profiler.Profile([_folder]).ToJson()).Kinds!.Count);
        Assert.Contains("'people.csv' has id, name", TableKind.Told(kinds));
        Assert.StartsWith("# tables of 3 kinds", SuggestedExpectations.Yaml(Profiler.Profile([_folder])));
        Write("more.jsonl", "{\"id\": 1, \"name\": \"y\"}\n");
        Assert.Contains("'more.jsonl' and 1 more have id, name", TableKind.Told(Profiler.Profile([_folder]).Kinds!));
    }

    [Theory]
    [InlineData("a.csv", "id,x\n1,2\n3,4,5\n", "a.csv, line 3: it has 3 fields where the header has 2")]
    [InlineData("a.csv", "id,x\n1\n3,4\n", "a.csv, line 2: it has 1 field where the header has 2")]
    [InlineData("a.csv", "id,x\n\"a\nb\",2\n1,\"2\n3,4\n", "a.csv, line 4: a quote is opened and not closed")]
    [InlineData("a.csv.gz", "id,x\n1,2\n", "a.csv.gz: it is not compressed as gzip, though its name says so, or damaged")]
    [InlineData("a.parquet", "this is none", "a.parquet: it is no Parquet file, or was cut off")]
    [InlineData("a.parquet", "", "a.parquet: it is no Parquet file, or was cut off")]
    [InlineData("a.jsonl", "{\"a\": 1}\n{\"a\":\n", "a.jsonl, line 3 or before it: no JSON")]
    public void What_is_wrong_with_which_file_is_told_in_words(string name, string content, string told)
    {
        Write("good.csv", "id,x\n1,2\n");
        Write(name, content);
        var e = Assert.Throws<TaktException>(() => Profiler.Profile([_folder]));
        Assert.Contains($"{_folder}/{told}", Assert.Single(e.Faults));
        Assert.DoesNotContain("sniffing", e.Message);
    }

    [Theory]
    [InlineData("in the middle of a line", 0.5, 1)]
    [InlineData("before its checksum", 1.0, 1)]
    [InlineData("in its second part", 0.75, 2)]
    [InlineData("before its first row", 0.0, 1)]
    public void A_compressed_table_that_was_cut_off_is_not_taken_for_a_shorter_one(string where, double share, int parts)
    {
        var packed = new MemoryStream();
        for (var part = 0; part < parts; part++)
            using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
                gzip.Write(Encoding.UTF8.GetBytes((part == 0 ? "id,x\n" : "") + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{i},{i * 7919L % 104_729}\n"))));
        var file = Path.Combine(_folder, "rows.csv.gz");
        File.WriteAllBytes(file, packed.ToArray());
        Assert.Equal(parts * 20_000, Profiler.Profile([file]).Rows);
        File.WriteAllBytes(file, packed.ToArray()[..Math.Max(12, (int)(packed.Length * share) - 4)]);
        var expected = $"'{file}' is damaged or cut off: what is compressed in it does not come out whole; bring it again, or compress it again";
        foreach (var read in (Action[])[() => Profiler.Profile([_folder]), () => Tables.Read(_folder), () => new Expectations().Check([file]), () => SqlQuery.ToTable("q", "select count(*) from t", new Dictionary<string, string> { ["t"] = file }, 1)])
            Assert.Equal((where, expected), (where, Assert.Throws<TaktException>(read).Message));
    }

    [Fact]
    public void A_profile_ends_when_it_is_told_to_however_long_its_query_would_take()
    {
        using var connection = DuckDb.Open();
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
        Assert.ThrowsAny<OperationCanceledException>(() => DuckDb.Guard("endless", () => Profiler.Profile(connection, "(select i from range(100000000000000) t(i) where i < 0)", cancel: stop.Token)));
    }

    [Fact]
    public void A_text_among_numbers_is_told_with_its_line_and_column()
    {
        Write("a.csv", "id,x\n" + string.Concat(Enumerable.Range(0, 30_000).Select(i => $"{i},{i}\n")) + "7,abc\n");
        Assert.EndsWith("a.csv, line 30002: \"abc\" in the column 'x' is no integer, as the values before it are", Assert.Throws<TaktException>(() => Profiler.Profile([_folder])).Message);
    }
}
