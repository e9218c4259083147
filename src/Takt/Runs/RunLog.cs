using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Runs as tracking clients make and read them, by MLflow's rules. A call that has returned is durable.</summary>
public sealed class RunLog(Database database, TimeProvider time)
{
    /// <summary>So many ids are asked for in one query.</summary>
    const int Together = 500;

    /// <param name="name">Empty: one is made up.</param>
    /// <param name="started">Unix milliseconds; null: now.</param>
    public async Task<TrackedRun> Create(long experiment, string? user, string? name, long? started, IReadOnlyList<KeyValuePair<string, string>> tags)
    {
        var id = RunId.New();
        if (string.IsNullOrEmpty(name)) name = tags.LastOrDefault(t => t.Key == RunTable.NameTag).Value ?? RunNames.Next();
        var parent = tags.LastOrDefault(t => t.Key == RunTable.ParentTag).Value;
        return await database.Write(session =>
        {
            var (state, location) = session.First($"select lifecycle, artifact_location from experiment where workspace = {RunTable.Workspace} and id = {experiment}",
                row => Tuple.Create(row.Text(0), row.Text(1))) ?? throw Experiments.Unknown(experiment);
            if (state != "active") throw TaktException.Invalid($"The experiment {experiment} must be in the 'active' state. Current state is {state}.");
            var artifacts = $"{location}/{id}/artifacts";
            session.Execute($"""
                insert into run(id, seq, experiment, name, user_id, status, lifecycle, started, parent, artifact_uri)
                values({id}, (select coalesce(max(seq), 0) + 1 from run), {experiment}, {name}, {user ?? ""}, {RunStatus.RUNNING}, {"active"},
                       {started ?? time.GetUtcNow().ToUnixTimeMilliseconds()}, {parent}, {artifacts})
                """);
            foreach (var (key, value) in tags)
                if (key != RunTable.NameTag) RunTable.SetTag(session, id, key, value);
            RunTable.SetTag(session, id, RunTable.NameTag, name);
            return Read(session, $"where r.id = {id}")[0];
        });
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public TrackedRun Get(string id) => database.Read(session => Read(session, $"where r.id = {id}")).FirstOrDefault() ?? throw Unknown(id);

    /// <param name="status">Null, as the others: stays as it is.</param>
    public Task<TrackedRun> Update(string id, RunStatus? status, long? ended, string? name) => database.Write(session =>
    {
        Active(session, id);
        if (status is not null) session.Execute($"update run set status = {status} where id = {id}");
        if (ended is not null) session.Execute($"update run set ended = {ended} where id = {id}");
        if (!string.IsNullOrEmpty(name))
        {
            session.Execute($"update run set name = {name} where id = {id}");
            RunTable.SetTag(session, new RunId(id), RunTable.NameTag, name);
        }
        return Read(session, $"where r.id = {id}")[0];
    });

    /// <summary>All of the entry, or, when a param would change its value, nothing.</summary>
    public Task Add(string id, LogEntry entry) => database.Write(session =>
    {
        Active(session, id);
        var run = new RunId(id);
        foreach (var (key, value) in entry.Params)
        {
            if (session.Text($"select value from run_param where run = {run} and key = {key}") is not { } old) RunTable.SetParam(session, run, key, value);
            else if (old != value)
                throw TaktException.Invalid($"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run ID='{id}'. Attempted logging new value '{value}'.");
        }
        if (entry.Metrics.Count > 0) RunTable.AddPoints(session, run, entry.Metrics);
        foreach (var (key, value) in entry.Tags)
        {
            RunTable.SetTag(session, run, key, value);
            if (key == RunTable.NameTag) session.Execute($"update run set name = {value} where id = {id}");
        }
    });

    public Task DeleteTag(string id, string key) => database.Write(session =>
    {
        Active(session, id);
        if (session.Execute($"delete from run_tag where run = {id} and key = {key}") == 0)
            throw TaktException.NotFound($"No tag with name: {key} in run with id {id}");
    });

    /// <summary>Deletes softly, or restores.</summary>
    public Task SetDeleted(string id, bool deleted) => database.Write(session =>
    {
        if (session.Execute($"update run set lifecycle = {(deleted ? "deleted" : "active")}, deleted = {(deleted ? time.GetUtcNow() : null)} where id = {id}") == 0)
            throw Unknown(id);
    });

    public Task AddInputs(string id, IReadOnlyList<RunInput> inputs) => database.Write(session =>
    {
        Active(session, id);
        foreach (var input in inputs)
            session.Execute($"""
                insert into run_input(run, name, digest, source_type, source, schema_text, profile, context, tags)
                values({id}, {input.Name}, {input.Digest}, {input.SourceType}, {input.Source}, {input.Schema}, {input.Profile},
                       {input.Tags.GetValueOrDefault(RunInput.ContextTag)}, {JsonSerializer.Serialize(input.Tags, RunsJson.Default.IReadOnlyDictionaryStringString)})
                on conflict(run, name, digest) do nothing
                """);
    });

    public Task AddOutputs(string id, IReadOnlyList<RunOutput> outputs) => database.Write(session =>
    {
        Active(session, id);
        foreach (var output in outputs)
            session.Execute($"insert into run_output(run, model, step) values({id}, {output.Model}, {output.Step}) on conflict(run, model) do nothing");
    });

    /// <summary>Every point of a metric once, by time, step and value.</summary>
    public List<MetricValue> History(string id, string key) => database.Read(session =>
    {
        if (session.Number($"select seq from run where id = {id}") is null) throw Unknown(id);
        var points = new List<MetricValue>();
        session.Query($"select points from metric_block where run = {id} and key = {key} order by seq", row =>
        {
            MetricBlock.Decode(key, row.Bytes(0), points);
            return true;
        });
        return MetricBlock.Ordered(points);
    });

    /// <param name="deleted">Null: both the active and the deleted.</param>
    public List<TrackedRun> Search(IReadOnlyList<long> experiments, string? filter, IReadOnlyList<string> orderBy, bool? deleted, int offset, int limit) =>
        database.Read(session =>
        {
            var search = SearchSql.Runs(filter, orderBy, session.Dialect);
            if (experiments.Count == 0) return [];
            Sql state = deleted is { } gone ? $"and r.lifecycle = {(gone ? "deleted" : "active")}" : Sql.Raw("");
            var within = Sql.Join(", ", experiments.Select(e => (Sql)$"{e}"));
            return Read(session, $"{search.Joins} where r.experiment in ({within}) {state} {search.Where} order by {search.Order} limit {limit} offset {offset}");
        });

    static void Active(SqlSession session, string id)
    {
        var state = session.Text($"select lifecycle from run where id = {id}") ?? throw Unknown(id);
        if (state != "active") throw TaktException.Invalid($"The run {id} must be in the 'active' state. Current state is {state}.");
    }

    static List<TrackedRun> Read(SqlSession session, Sql rest)
    {
        var runs = session.Query($"select r.id, r.experiment, r.name, r.user_id, r.status, r.lifecycle, r.started, r.ended, r.artifact_uri from run r {rest}", row => new TrackedRun
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
        });
        foreach (var some in runs.Chunk(Together)) Fill(session, some);
        return runs;
    }

    static void Fill(SqlSession session, TrackedRun[] runs)
    {
        var byId = runs.ToDictionary(r => r.Id, StringComparer.Ordinal);
        var ids = Sql.Join(", ", runs.Select(r => (Sql)$"{r.Id}"));
        Each($"select run, key, value from run_param where run in ({ids}) order by run, key", (run, row) => run.Params.Add(new(row.Text(1), row.Text(2))));
        Each($"select run, key, value from run_tag where run in ({ids}) order by run, key", (run, row) => run.Tags.Add(new(row.Text(1), row.Text(2))));
        Each($"select run, key, value, is_nan, step, time from run_metric where run in ({ids}) order by run, key",
            (run, row) => run.Metrics.Add(new(row.Text(1), row.Flag(3) ? double.NaN : row.Real(2), row.Number(4), row.Time(5))));
        Each($"select run, model, step from run_output where run in ({ids}) order by run, model", (run, row) => run.Outputs.Add(new(row.Text(1), row.Number(2))));
        Each($"select run, name, digest, source_type, source, schema_text, profile, tags from run_input where run in ({ids}) order by run, name, digest",
            (run, row) => run.Inputs.Add(new(row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.TextOrNull(5), row.TextOrNull(6),
                JsonSerializer.Deserialize(row.Text(7), RunsJson.Default.DictionaryStringString)!)));

        void Each(Sql sql, Action<TrackedRun, SqlRow> add) => session.Query(sql, row =>
        {
            add(byId[row.Text(0)], row);
            return true;
        });
    }

    static TaktException Unknown(string id) => TaktException.NotFound($"Run with id={id} not found");
}
