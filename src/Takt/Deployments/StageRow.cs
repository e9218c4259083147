using System.Text.Json;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>A stage in a pipeline run, with what its result read and wrote.</summary>
/// <param name="Run">Its own run; null when nothing had to run.</param>
/// <param name="Outputs">Path → SHA-256.</param>
/// <param name="Parts">Of its key; empty for a result of a Takt that did not keep them.</param>
sealed record StageRow(
    string PipelineRun, string Name, string State, string? Key, string? Run, string Summary, DateTimeOffset? EndedAt,
    IReadOnlyDictionary<string, string> Outputs, IReadOnlyDictionary<string, string> Tags, IReadOnlyDictionary<string, string> Parts)
{
    const string DatasetTag = "takt.dataset";
    const string ModelTag = "takt.model";
    const string EndpointTag = "takt.endpoint";
    const string InputPart = "in:";

    public string Id => $"stage:{PipelineRun}/{Name}";

    /// <summary>The version of data that it collected.</summary>
    public string? Data => Tags.GetValueOrDefault(DatasetTag);

    /// <summary>The version that it registered; a deploy stage names one as well, which it did not make.</summary>
    public string? Model => Tags.ContainsKey(EndpointTag) ? null : Tags.GetValueOrDefault(ModelTag);

    /// <summary>Those of the same pipeline run that wrote what this one read. Without parts: every stage before it that collected data.</summary>
    public IEnumerable<StageRow> Reads(IReadOnlyList<StageRow> all) => all.Where(other => other != this && (Parts.Count == 0
        ? other.Data is not null && Data is null
        : other.Outputs.Any(output => Parts.GetValueOrDefault(InputPart + output.Key) == output.Value)));

    /// <summary>The versions of data that led to it, through any number of stages.</summary>
    public HashSet<string> DataBefore(IReadOnlyList<StageRow> all)
    {
        var data = new HashSet<string>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal) { Name };
        var queue = new Queue<StageRow>([this]);
        while (queue.TryDequeue(out var stage))
            foreach (var before in stage.Reads(all))
            {
                if (before.Data is { } version) data.Add(version);
                else if (seen.Add(before.Name)) queue.Enqueue(before);
            }
        return data;
    }

    /// <summary>Those of a pipeline run that succeeded, in the order they ended in.</summary>
    public static List<StageRow> Of(SqlSession session, string pipelineRun) => session.Query($"""
        select s.stage, s.state, s.key, s.run, s.summary, s.ended, r.outputs, r.tags, r.parts from stage_run s left join stage_result r on r.key = s.key
        where s.pipeline_run = {pipelineRun} and s.state in ({StageState.Ran}, {StageState.Cached}, {StageState.Restored}) order by s.seq
        """, row => new StageRow(pipelineRun, row.Text(0), row.Text(1), row.TextOrNull(2), row.TextOrNull(3), row.Text(4), row.TimeOrNull(5),
            Map(row.TextOrNull(6)), Map(row.TextOrNull(7)), Map(row.TextOrNull(8))));

    public static Dictionary<string, string> Map(string? json) => json is null ? [] : JsonSerializer.Deserialize(json, RunsJson.Default.DictionaryStringString)!;
}
