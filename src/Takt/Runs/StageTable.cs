using System.Text.Json;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Rows of the stage cache and of the stages of each pipeline run.</summary>
public sealed class StageTable(Database database, TimeProvider time)
{
    public StageResult? Find(Digest key) => database.Read(session => session.First(
        $"select stage, outputs, metrics, tags, summary from stage_result where key = {key}",
        row => new StageResult(key, row.Text(0), Texts(row.Text(1)), Numbers(row.Text(2)), Texts(row.Text(3)), row.Text(4))));

    /// <summary>The result and the state of its stage in one transaction: after a crash both are there, or neither.</summary>
    public Task Finish(StageResult result, StageKey key, StageRun run) => database.Write(session =>
    {
        Put(session, result, key);
        Remember(session, result.Stage, key);
        Put(session, run, []);
    });

    /// <summary>A result that was not made here, such as one of <c>takt.lock</c>.</summary>
    public Task Adopt(StageResult result, StageKey key) => database.Write(session => Put(session, result, key));

    void Put(SqlSession session, StageResult result, StageKey key) =>
        session.Execute($"""
            insert into stage_result(key, stage, outputs, metrics, tags, summary, created, parts)
            values({result.Key}, {result.Stage}, {Json(result.Outputs)}, {JsonSerializer.Serialize(result.Metrics, RunsJson.Default.IReadOnlyDictionaryStringDouble)},
                   {Json(result.Tags)}, {result.Summary}, {time.GetUtcNow()}, {key.PartsJson()})
            on conflict(key) do update set outputs = excluded.outputs, metrics = excluded.metrics, tags = excluded.tags,
                   summary = excluded.summary, created = excluded.created, parts = excluded.parts
            """);

    /// <param name="keys">The keys of stages that did not have to run; one transaction for all.</param>
    public Task Put(IReadOnlyList<(StageRun Run, StageKey? Key)> runs) => database.Write(session =>
    {
        foreach (var (run, key) in runs)
        {
            if (key is not null) Remember(session, run.Stage, key);
            Put(session, run, []);
        }
    });

    /// <param name="outputs">What the stage is about to write; taken away again when its process dies.</param>
    public Task Begin(StageRun run, IEnumerable<string> outputs) => database.Write(session => Put(session, run, outputs.ToList()));

    public IReadOnlyList<StageRun> Of(RunId pipelineRun) => database.Read(session => session.Query(
        $"select pipeline_run, stage, state, key, run, started, ended, summary from stage_run where pipeline_run = {pipelineRun} order by seq", Row));

    /// <summary>What became of the stage when it was last begun; null when it never was.</summary>
    public StageRun? Newest(string stage) => database.Read(session => session.First(
        $"select pipeline_run, stage, state, key, run, started, ended, summary from stage_run where stage = {stage} and started is not null order by started desc limit 1", Row));

    static StageRun Row(SqlRow row) => new(new RunId(row.Text(0)), row.Text(1), row.Enum<StageState>(2), row.TextOrNull(3), row.TextOrNull(4) is { } run ? new RunId(run) : null,
        row.TimeOrNull(5), row.TimeOrNull(6), row.Text(7));

    /// <summary>Parts of the stage's newest key; null before it first ran.</summary>
    public IReadOnlyDictionary<string, string>? LastParts(string stage) =>
        database.Read(session => session.Text($"select parts from stage_key where stage = {stage}")) is { } json ? Texts(json) : null;

    /// <summary>What the stage's newest result says of its lineage; null before there is one.</summary>
    public IReadOnlyDictionary<string, string>? LastTags(string stage) =>
        database.Read(session => session.Text($"select r.tags from stage_key k join stage_result r on r.key = k.key where k.stage = {stage}")) is { } json ? Texts(json) : null;

    /// <summary>Ends what a dead process left running.</summary>
    internal void Interrupt(SqlSession session, RunId pipelineRun, string why) => session.Execute($"""
        update stage_run set state = {StageState.Interrupted}, ended = {time.GetUtcNow()}, summary = {why}
        where pipeline_run = {pipelineRun} and state in ({StageState.Running}, {StageState.Waiting})
        """);

    /// <summary>Outputs of the stages that were interrupted.</summary>
    internal IReadOnlyList<string> HalfWritten(RunId pipelineRun) => database.Read(session => session.Query(
        $"select outputs from stage_run where pipeline_run = {pipelineRun} and state = {StageState.Interrupted}", row => JsonSerializer.Deserialize(row.Text(0), RunsJson.Default.ListString)!)).SelectMany(o => o).ToList();

    static void Put(SqlSession session, StageRun run, List<string> outputs) => session.Execute($"""
        insert into stage_run(pipeline_run, stage, seq, state, key, run, started, ended, summary, outputs)
        values({run.PipelineRun}, {run.Stage}, (select count(*) from stage_run where pipeline_run = {run.PipelineRun}), {run.State}, {run.Key}, {run.Run?.Value},
               {run.StartedAt?.ToUnixTimeMilliseconds()}, {run.EndedAt?.ToUnixTimeMilliseconds()}, {run.Summary}, {JsonSerializer.Serialize(outputs, RunsJson.Default.ListString)})
        on conflict(pipeline_run, stage) do update set state = excluded.state, key = excluded.key, run = excluded.run, started = excluded.started,
               ended = excluded.ended, summary = excluded.summary, outputs = excluded.outputs
        """);

    void Remember(SqlSession session, string stage, StageKey key) => session.Execute($"""
        insert into stage_key(stage, key, parts, updated) values({stage}, {key.Id}, {key.PartsJson()}, {time.GetUtcNow()})
        on conflict(stage) do update set key = excluded.key, parts = excluded.parts, updated = excluded.updated
        """);

    static string Json(IReadOnlyDictionary<string, string> map) => JsonSerializer.Serialize(map, RunsJson.Default.IReadOnlyDictionaryStringString);

    static Dictionary<string, string> Texts(string json) => JsonSerializer.Deserialize(json, RunsJson.Default.DictionaryStringString)!;

    static Dictionary<string, double> Numbers(string json) => JsonSerializer.Deserialize(json, RunsJson.Default.DictionaryStringDouble)!;
}
