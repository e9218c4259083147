using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Rows to <see cref="TrackedRun"/>s, with one query a table for all runs of a page.</summary>
static class RunReader
{
    /// <summary>So many runs are filled by one query of each table.</summary>
    const int Together = 1000;

    public const string Columns = "r.id, r.experiment, r.name, r.user_id, r.status, r.lifecycle, r.started, r.ended, r.artifact_uri";
    public const int ColumnCount = 9;

    public static TrackedRun Info(SqlRow row) => new()
    {
        Id = row.Text(0),
        Experiment = row.Number(1),
        Name = row.Text(2),
        User = row.Text(3),
        Status = row.Text(4),
        Deleted = row.Text(5) == "deleted",
        Started = row.Number(6),
        Ended = row.NumberOrNull(7),
        ArtifactUri = row.Text(8),
    };

    public static TrackedRun? Info(SqlSession session, string id, Workspace workspace) =>
        session.First($"select {Sql.Raw(Columns)} from run r join experiment e on e.id = r.experiment where r.id = {id} and e.workspace = {workspace}", Info);

    public static TrackedRun? Find(SqlSession session, string id, Workspace workspace)
    {
        if (Info(session, id, workspace) is not { } run) return null;
        FillSome(session, new([run]), $"= {id}");
        run.ModelInputs.AddRange(session.Query($"select model from run_model_input where run = {id} order by model", row => row.Text(0)));
        return run;
    }

    /// <summary>Params, tags, newest metrics, inputs and outputs.</summary>
    public static void Fill(SqlSession session, List<TrackedRun> runs)
    {
        for (var at = 0; at < runs.Count; at += Together)
        {
            var some = runs.GetRange(at, Math.Min(Together, runs.Count - at));
            // one text for any number of runs, so that the query is prepared once
            if (session.Dialect == SqlDialect.PostgreSql) FillSome(session, new(some), $"= any({some.ConvertAll(run => run.Id).ToArray()})");
            else FillSome(session, new(some), $"in (select value from json_each({JsonSerializer.Serialize(some.ConvertAll(run => run.Id), RunsJson.Default.ListString)}))");
        }
    }

    static void FillSome(SqlSession session, Some runs, Sql those)
    {
        session.Query($"select run, key, value from run_param where run {those}", row => { runs[row].Params.Add(new(row.Text(1), row.Text(2))); return 0; });
        session.Query($"select run, key, value from run_tag where run {those}", row => { runs[row].Tags.Add(new(row.Text(1), row.Text(2))); return 0; });
        session.Query($"select run, key, value, is_nan, step, time from run_metric where run {those}",
            row => { runs[row].Metrics.Add(new(row.Text(1), row.Flag(3) ? double.NaN : row.Real(2), row.Number(4), row.Number(5))); return 0; });
        session.Query($"select run, model, step from run_output where run {those} order by run, model", row => { runs[row].Outputs.Add(new(row.Text(1), row.Number(2))); return 0; });
        session.Query($"select run, name, digest, source_type, source, schema_text, profile, tags from run_input where run {those} order by run, name, digest",
            row =>
            {
                runs[row].Inputs.Add(new(row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.TextOrNull(5), row.TextOrNull(6),
                    JsonSerializer.Deserialize(row.Text(7), RunsJson.Default.DictionaryStringString)!));
                return 0;
            });
    }

    /// <summary>The runs of a page by id; rows of one run mostly come together.</summary>
    sealed class Some(List<TrackedRun> runs)
    {
        readonly Dictionary<string, TrackedRun> _byId = runs.ToDictionary(run => run.Id, StringComparer.Ordinal);
        TrackedRun _last = runs[0];

        public TrackedRun this[SqlRow row]
        {
            get
            {
                var id = row.Text(0);
                return _last.Id == id ? _last : _last = _byId[id];
            }
        }
    }
}
