using Takt.Data;
using Takt.Pipelines;
using Takt.Server;

namespace Takt.Tests.Pipelines;

/// <summary><c>collect</c>, <c>sql</c> and <c>validate-data</c> as a project file has them.</summary>
public sealed class DataStepsTests : IAsyncDisposable
{
    const string Yaml = """
        takt: 1
        project: shop
        data:
          sales:
            source: incoming/*.csv
            path: data/all/
            expect: { rows: { min: 2, max: 5 }, extra-columns: refuse, columns: { day: { type: timestamp, min: 2001-01-01 }, price: { type: number, nulls: 0.5, min: 0 }, kind: { in: [a, b] } } }
        stages:
          totals:
            uses: takt/sql@1
            with: { query: totals.sql, tables: { sales: data/all/ }, output: out/totals.parquet }
          check:
            uses: takt/validate-data@1
            with: { data: out/totals.parquet, expect: { columns: { kind: { unique: true } } }, profile: out/profile.json }
        """;

    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;

    public DataStepsTests()
    {
        _app = TaktApp.Open(new TaktFolder(_folder, Path.Combine(_folder, ".takt")));
        Directory.CreateDirectory(Path.Combine(_folder, "incoming"));
        Write("takt.yaml", Yaml);
        Write("totals.sql", "select kind, sum(price) as total from sales group by kind order by kind");
        Write("incoming/1.csv", "day,price,kind\n2001-01-01,1.5,a\n2001-01-02,,b\n2001-01-03,4,a\n");
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    void Write(string path, string text) => File.WriteAllText(Path.Combine(_folder, path), text);

    Stage Find(string name) => Project.Load(_app.Folder, _app.Steps).Stages.Single(stage => stage.Name == name);

    StepContext Context(Stage stage) => new()
    {
        Stage = stage.Name,
        Folder = _folder,
        Project = "shop",
        With = stage.With!,
        Run = RunId.New(),
        PipelineRun = RunId.New(),
        Log = TextWriter.Null,
        In = [],
        Lineage = [],
    };

    Task<StepOutcome> Run(string name) => Find(name) is var stage ? stage.Kind!.Run(Context(stage), default) : null!;

    [Fact]
    public async Task Data_is_collected_queried_and_checked()
    {
        Assert.Equal(["data/all/", "data/all.takt"], Find("data.sales").Out);
        var collected = await Run("data.sales");
        Assert.Equal("sales: 1 new, 0 changed files; now 1 file, 3 rows", collected.Summary);
        Assert.Equal(_app.Datasets.Tip("sales")!.Reference, collected.Tags["takt.dataset"]);

        Assert.Equal("out/totals.parquet: 2 rows", (await Run("totals")).Summary);
        var totals = Tables.Read(Path.Combine(_folder, "out/totals.parquet"));
        Assert.Equal(5.5, totals["total"].Numbers[0]);
        Assert.True(totals["total"].IsMissing(1));

        await Run("check");
        Assert.Equal(2, TableProfile.Parse(File.ReadAllText(Path.Combine(_folder, "out/profile.json"))).Rows);
    }

    [Fact]
    public async Task The_facts_of_a_collect_change_when_its_result_would_and_only_then()
    {
        async Task<string> Tree() => (await Find("data.sales").Kind!.Facts(Context(Find("data.sales")), default))["tree"];
        var before = await Tree();
        await Run("data.sales");
        Assert.Equal(before, await Tree());
        Write("incoming/2.csv", "day,price,kind\n2001-01-04,1,a\n");
        Assert.NotEqual(before, await Tree());
        File.Delete(Path.Combine(_folder, "incoming/2.csv"));
        Assert.Equal(before, await Tree());
    }

    [Fact]
    public async Task Data_that_breaks_its_expectations_stops_the_stage_with_every_fault_and_no_version()
    {
        Write("incoming/1.csv", "day,price,kind,card\n2000-12-31,-1,c,4111\n");
        var e = await Assert.ThrowsAsync<TaktException>(() => Run("data.sales"));
        Assert.Equal(
        [
            "sales: column 'card', extra-columns refuse: the column is not expected; name it, remove it, or say extra-columns: allow, in 1.csv",
            "sales: the table has 1 rows, fewer than rows.min 2",
            "sales: column 'day', min 2001-01-01 00:00:00: 1 of 1 rows are below; namely 1.csv {day: 2000-12-31T00:00:00.000000Z, price: -1, kind: \"c\"}",
            "sales: column 'price', min 0: 1 of 1 rows are below; namely 1.csv {price: -1, day: 2000-12-31T00:00:00.000000Z, kind: \"c\"}",
            "sales: column 'kind', in [a, b]: 1 of 1 rows have another value; namely 1.csv {kind: \"c\", day: 2000-12-31T00:00:00.000000Z, price: -1}",
        ], e.Faults);
        Assert.Null(_app.Datasets.Tip("sales"));
    }

    [Fact]
    public void Faults_of_the_project_file_have_their_place()
    {
        Write("takt.yaml", Yaml.Replace("type: number", "type: numbr").Replace("nulls: 0.5", "nulls: 5").Replace("min: 2001-01-01", "min: soon").Replace("out/totals.parquet }", "out/totals.csv }"));
        var faults = Assert.Throws<TaktException>(() => Project.Load(_app.Folder, _app.Steps)).Faults;
        Assert.Contains(faults, fault => fault.Contains(":7:") && fault.Contains("numbr"));
        Assert.Contains(faults, fault => fault.Contains("0 to 1"));
        Assert.Contains(faults, fault => fault.Contains("'soon' is not a time"));
        Assert.Contains(faults, fault => fault.Contains("must end with .parquet"));
    }
}
