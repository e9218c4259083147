using Takt.Storage;

namespace Takt.Models;

/// <summary>What a run tells of the model it made.</summary>
sealed record RunLineage(string? CodeCommit, Dictionary<string, string> Params, Dictionary<string, double> Metrics)
{
    /// <summary>A version keeps no more; the run has them all.</summary>
    const int Most = 1000;

    public static RunLineage Of(SqlSession session, Workspace workspace, string? run)
    {
        if (run is null || session.Number($"select 1 from run r join experiment e on e.id = r.experiment where r.id = {run} and e.workspace = {workspace}") is null) return new(null, [], []);
        return new(session.Text($"select value from run_tag where run = {run} and key = {"mlflow.source.git.commit"}"),
            session.Query($"select key, value from run_param where run = {run} order by key limit {Most}", row => KeyValuePair.Create(row.Text(0), row.Text(1))).ToDictionary(),
            session.Query($"select key, value from run_metric where run = {run} and is_nan = 0 order by key limit {Most}", row => KeyValuePair.Create(row.Text(0), row.Real(1))).ToDictionary());
    }
}
