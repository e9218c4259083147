using Takt.Data;
using Takt.ML.Runtimes;
using Takt.ML.Trainers;
using Takt.Models;

namespace Takt.Tests.Models;

public sealed class BatchScoreTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-score").FullName;
    readonly ILoadedModel _model;

    public BatchScoreTests()
    {
        var package = Directory.CreateDirectory(PathOf("model")).FullName;
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 20 }, 3), Rows(600, 0), package, TextWriter.Null, default);
        _model = new LightGbmRuntime().Load(package);
    }

    public void Dispose()
    {
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    string PathOf(string name) => Path.Combine(_folder, name);

    /// <summary>Rows that differ from each other, numbered from <paramref name="first"/> by the column id.</summary>
    static Table Rows(int count, int first, bool labelled = true)
    {
        var random = new Random(first + 1);
        var (id, x, c, y) = (new long[count], new double[count], new string?[count], new long[count]);
        for (var i = 0; i < count; i++)
        {
            (id[i], x[i], c[i]) = (first + i, random.NextDouble(), (i % 3) switch { 0 => "red", 1 => "green", _ => null });
            y[i] = (x[i] > 0.5) ^ (c[i] == "red") ? 1 : 0;
        }
        var columns = new List<Column> { Column.Of("x", x), Column.Of("c", c) };
        if (labelled) columns.Add(Column.Of("y", y));
        else columns.Insert(0, Column.Of("id", id));
        return new Table(columns);
    }

    [Fact]
    public async Task Every_row_of_many_chunks_and_files_keeps_its_place_and_its_answer()
    {
        var tables = new[] { Rows(70_001, 0, labelled: false), Rows(33_000, 70_001, labelled: false) };
        Tables.Write(tables[0], PathOf("a.parquet"));
        Tables.Write(tables[1], PathOf("b.parquet"));
        var told = 0L;
        Assert.Equal(103_001, await BatchScore.Run(_model, [PathOf("a.parquet"), PathOf("b.parquet")], PathOf("out.parquet"), progress: rows => told = rows));
        Assert.Equal(103_001, told);

        var scored = Tables.Read(PathOf("out.parquet"));
        Assert.Equal(["id", "x", "c", "probability"], scored.Columns.Select(c => c.Name));
        Assert.Equal(Enumerable.Range(0, 103_001).Select(i => (long)i), scored["id"].Integers.Take(scored.Rows));
        var expected = tables.SelectMany(t => _model.Predict(t)["probability"].Numbers).ToArray();
        Assert.Equal(expected, scored["probability"].Numbers.Take(scored.Rows));
    }

    [Theory]
    [InlineData("out.csv")]
    [InlineData("out.jsonl")]
    public async Task Text_formats_hold_the_same_answers(string output)
    {
        var table = Rows(50, 0, labelled: false);
        Tables.Write(table, PathOf("a.parquet"));
        Assert.Equal(50, await BatchScore.Run(_model, [PathOf("a.parquet")], PathOf(output), keep: ["id"]));
        var scored = Tables.Read(PathOf(output));
        Assert.Equal(["id", "probability"], scored.Columns.Select(c => c.Name));
        Assert.Equal(_model.Predict(table)["probability"].Numbers, scored["probability"].Numbers.Take(50));
    }

    [Fact]
    public async Task An_empty_table_gives_an_empty_file_with_the_columns()
    {
        Tables.Write(Rows(0, 0, labelled: false), PathOf("none.parquet"));
        Assert.Equal(0, await BatchScore.Run(_model, [PathOf("none.parquet")], PathOf("out.parquet"), explain: true));
        Assert.Equal(["id", "x", "c", "probability", "contribution.x", "contribution.c", "contribution.bias"], Tables.Read(PathOf("out.parquet")).Columns.Select(c => c.Name));
    }

    [Fact]
    public async Task Contributions_add_up_to_the_log_odds_of_each_answer()
    {
        Tables.Write(Rows(400, 0, labelled: false), PathOf("a.parquet"));
        await BatchScore.Run(_model, [PathOf("a.parquet")], PathOf("out.parquet"), keep: [], explain: true);
        var scored = Tables.Read(PathOf("out.parquet"));
        for (var i = 0; i < 400; i++)
        {
            var p = scored["probability"].Numbers[i];
            Assert.Equal(Math.Log(p / (1 - p)), scored["contribution.x"].Numbers[i] + scored["contribution.c"].Numbers[i] + scored["contribution.bias"].Numbers[i], 9);
        }
        Assert.Contains(scored["contribution.x"].Numbers.Take(400), v => Math.Abs(v) > 0.5);
    }

    [Fact]
    public async Task Every_fault_is_told_and_nothing_is_written()
    {
        Tables.Write(new Table([Column.Of("x", [0.5]), Column.Of("probability", [0.1])]), PathOf("a.parquet"));
        var e = await Assert.ThrowsAsync<TaktException>(() => BatchScore.Run(_model, [PathOf("a.parquet")], PathOf("out.parquet")));
        Assert.Equal(2, e.Faults.Count); // c is missing, probability would stand there twice
        Tables.Write(new Table([Column.Of("x", ["ten"]), Column.Of("c", ["red"])]), PathOf("b.parquet"));
        e = await Assert.ThrowsAsync<TaktException>(() => BatchScore.Run(_model, [PathOf("b.parquet")], PathOf("out.parquet")));
        Assert.Contains("'x' must be numbers", e.Message);
        File.WriteAllBytes(PathOf("torn.parquet"), File.ReadAllBytes(PathOf("a.parquet"))[..^9]);
        e = await Assert.ThrowsAsync<TaktException>(() => BatchScore.Run(_model, [PathOf("torn.parquet")], PathOf("out.parquet")));
        Assert.Contains("torn.parquet", e.Message);
        await Assert.ThrowsAsync<TaktException>(() => BatchScore.Run(_model, [PathOf("a.parquet")], PathOf("out.xlsx")));
        Assert.False(File.Exists(PathOf("out.parquet")));
        Assert.Empty(Directory.GetFiles(_folder, "*.tmp"));
    }
}
