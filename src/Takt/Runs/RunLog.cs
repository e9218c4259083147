using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Runs as tracking clients make and read them, by MLflow's rules. A call that has returned is durable.</summary>
/// <param name="points">SQLite: takes what is points alone, at a fraction of a commit's cost; null: every call is a commit.</param>
public sealed class RunLog(Database database, TimeProvider time, Workspace workspace = default, PointJournal? points = null)
{
    /// <summary>The same, of another workspace.</summary>
    public RunLog In(Workspace other) => other == workspace ? this : new(database, time, other, points);

    /// <param name="name">Empty: one is made up.</param>
    /// <param name="started">Unix milliseconds; null: now.</param>
    public async Task<TrackedRun> Create(long experiment, string? user, string? name, long? started, IReadOnlyList<KeyValuePair<string, string>> tags)
    {
        var id = RunId.New();
        var named = Last(tags, RunTable.NameTag);
        if (!string.IsNullOrEmpty(name) && !string.IsNullOrEmpty(named) && name != named)
            throw TaktException.Invalid($"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='{name}', mlflow.runName='{named}').");
        if (string.IsNullOrEmpty(name)) name = string.IsNullOrEmpty(named) ? RunNames.Next() : named;
        var parent = Last(tags, RunTable.ParentTag);
        return await database.Write(session =>
        {
            experiment = Experiments.Resolve(session, experiment, time, workspace);
            var location = Experiments.CheckActive(session, experiment, time, workspace);
            var run = new TrackedRun
            {
                Id = id.Value,
                Experiment = experiment,
                Name = name,
                User = user ?? "",
                Status = nameof(RunStatus.RUNNING),
                Deleted = false,
                Started = started ?? time.GetUtcNow().ToUnixTimeMilliseconds(),
                ArtifactUri = ArtifactUri.Below(location, id.Value, "artifacts"),
            };
            session.Execute($"""
                insert into run(id, seq, experiment, name, user_id, status, lifecycle, started, parent, artifact_uri)
                values({run.Id}, {RunTable.NextSeq(session)}, {run.Experiment}, {name}, {run.User}, {run.Status}, 'active', {run.Started}, {parent}, {run.ArtifactUri})
                """);
            for (var i = 0; i < tags.Count; i++)
                if (tags[i].Key != RunTable.NameTag && LastIndex(tags, tags[i].Key) == i) Tag(tags[i].Key, tags[i].Value);
            Tag(RunTable.NameTag, name);
            return run;

            void Tag(string key, string value)
            {
                RunTable.SetTag(session, id, key, value);
                run.Tags.Add(new(key, value));
            }
        });
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public TrackedRun Get(string id) => database.Read(session => RunReader.Find(session, id, workspace)) ?? throw Unknown(id);

    /// <param name="status">Null, as the others: stays as it is.</param>
    public Task<TrackedRun> Update(string id, RunStatus? status, long? ended, string? name) => database.Write(session =>
    {
        Active(session, id);
        if (status is not null || ended is not null || !string.IsNullOrEmpty(name))
            session.Execute($"""
                update run set status = coalesce({status?.ToString()}, status), ended = coalesce({ended}, ended), name = coalesce({(string.IsNullOrEmpty(name) ? null : name)}, name) where id = {id}
                """);
        if (!string.IsNullOrEmpty(name)) RunTable.SetTag(session, new RunId(id), RunTable.NameTag, name);
        return RunReader.Info(session, id, workspace)!;
    });

    /// <summary>All of the entry, or, when a param would change its value, nothing.</summary>
    public Task Add(string id, LogEntry entry) => points?.Add(id, workspace, entry, session => Active(session, id)) ?? Commit(id, entry);

    Task Commit(string id, LogEntry entry) => database.Write(session =>
    {
        var experiment = Active(session, id);
        var run = new RunId(id);
        AddParams(session, run, entry.Params, entry.IsBatch);
        if (entry.Metrics.Count > 0)
        {
            RunTable.AddPoints(session, id, experiment, entry.Metrics);
            foreach (var metric in entry.Metrics)
                if (metric.Model is not null) LoggedModels.AddPoint(session, id, metric, workspace);
        }
        foreach (var (key, value) in entry.Tags)
        {
            if (key == RunTable.NameTag)
            {
                if (value.Length == 0) continue; // a run always has a name
                session.Execute($"update run set name = {value} where id = {id}");
            }
            RunTable.SetTag(session, run, key, value);
            if (key == RunTable.ParentTag) session.Execute($"update run set parent = {value} where id = {id}");
        }
    });

    public Task DeleteTag(string id, string key) => database.Write(session =>
    {
        Active(session, id);
        if (session.Execute($"delete from run_tag where run = {id} and key = {key}") == 0)
            throw TaktException.NotFound($"No tag with name: {key} in run with id {id}");
    });

    /// <summary>Adds what a client says of a model that it logged to the list in the run's tag <c>mlflow.log-model.history</c>.</summary>
    /// <param name="model">A JSON object.</param>
    public Task AddModelHistory(string id, string model) => database.Write(session =>
    {
        const string Tag = "mlflow.log-model.history";
        Active(session, id);
        var old = session.Text($"select value from run_tag where run = {id} and key = {Tag}")?.Trim();
        RunTable.SetTag(session, new RunId(id), Tag, old is { Length: > 2 } && old[0] == '[' && old[^1] == ']' ? $"{old[..^1]}, {model}]" : $"[{model}]");
    });

    /// <summary>Deletes softly, or restores.</summary>
    public Task SetDeleted(string id, bool deleted) => database.Write(session =>
    {
        if (session.Execute($"update run set lifecycle = {(deleted ? "deleted" : "active")}, deleted = {(deleted ? time.GetUtcNow() : null)} where id = {id} and experiment in (select id from experiment where workspace = {workspace})") == 0)
            throw Unknown(id);
    });

    /// <summary>Deletes softly, or restores, many at once: all of them or, when one is not there, none.</summary>
    /// <param name="parts">With the runs below them, however deep.</param>
    /// <returns>How many have changed, and the time of it (Unix milliseconds), which no other deletion has: <see cref="Undelete"/> takes it.</returns>
    /// <exception cref="TaktException">NotFound, with every id that is not there.</exception>
    public Task<(int Changed, long Mark)> SetDeleted(IReadOnlyList<string> ids, bool deleted, bool parts) => database.Write(session =>
    {
        var known = Chunks(ids).SelectMany(some => session.Query($"select id from run where id in ({some}) and experiment in (select id from experiment where workspace = {workspace})", row => row.Text(0))).ToHashSet(StringComparer.Ordinal);
        if (ids.Where(id => !known.Contains(id)).ToList() is { Count: > 0 } missing)
            throw new TaktException(TaktError.NotFound, missing.Take(5).Select(id => $"Run with id={id} not found").Append(missing.Count > 5 ? $"and {missing.Count - 5} more" : "").Where(line => line.Length > 0).ToList());
        for (var level = ids; parts && level.Count > 0;)
            level = Chunks(level).SelectMany(some => session.Query($"select id from run where parent in ({some}) and experiment in (select id from experiment where workspace = {workspace})", row => row.Text(0))).Where(known.Add).ToList();
        var mark = time.GetUtcNow().ToUnixTimeMilliseconds();
        while (deleted && session.Number($"select 1 from run where deleted = {mark} limit 1") is not null) mark++;
        var (from, to) = deleted ? ("active", "deleted") : ("deleted", "active");
        var changed = Chunks([.. known]).Sum(some => session.Execute($"update run set lifecycle = {to}, deleted = {(deleted ? mark : null)} where lifecycle = {from} and id in ({some})"));
        return ((int)changed, mark);
    });

    /// <summary>Restores what was deleted together.</summary>
    /// <returns>How many.</returns>
    public async Task<int> Undelete(long mark) => (int)await database.Write(session =>
        session.Execute($"update run set lifecycle = {"active"}, deleted = null where deleted = {mark} and lifecycle = {"deleted"} and experiment in (select id from experiment where workspace = {workspace})"));

    static IEnumerable<Sql> Chunks(IReadOnlyList<string> ids) => ids.Chunk(500).Select(some => Sql.Join(", ", some.Select(id => (Sql)$"{id}")));

    public Task AddInputs(string id, IReadOnlyList<RunInput> inputs, IReadOnlyList<string>? models = null) => database.Write(session =>
    {
        Active(session, id);
        foreach (var input in inputs)
            session.Execute($"""
                insert into run_input(run, name, digest, source_type, source, schema_text, profile, context, tags)
                values({id}, {input.Name}, {input.Digest}, {input.SourceType}, {input.Source}, {input.Schema}, {input.Profile},
                       {input.Tags.GetValueOrDefault(RunInput.ContextTag)}, {JsonSerializer.Serialize(input.Tags, RunsJson.Default.IReadOnlyDictionaryStringString)})
                on conflict(run, name, digest) do nothing
                """);
        foreach (var model in models ?? []) session.Execute($"insert into run_model_input(run, model) values({id}, {model}) on conflict(run, model) do nothing");
    });

    public Task AddOutputs(string id, IReadOnlyList<RunOutput> outputs) => database.Write(session =>
    {
        Active(session, id);
        foreach (var output in outputs)
            session.Execute($"insert into run_output(run, model, step) values({id}, {output.Model}, {output.Step}) on conflict(run, model) do nothing");
    });

    /// <summary>Datasets that runs of these experiments read, each with each context once; at most <paramref name="limit"/>.</summary>
    public List<RunDataset> Datasets(IReadOnlyList<long> experiments, int limit) => database.Read(session =>
    {
        var visible = Experiments.Visible(session, experiments, workspace);
        if (visible.Count == 0) return [];
        return session.Query($"""
            select distinct r.experiment, i.name, i.digest, i.context from run_input i join run r on r.id = i.run
            where r.experiment in ({Sql.Join(", ", visible.Select(e => (Sql)$"{e}"))}) order by r.experiment, i.name, i.digest limit {limit}
            """, row => new RunDataset(row.Number(0), row.Text(1), row.Text(2), row.TextOrNull(3)));
    });

    internal static TaktException Unknown(string id) => TaktException.NotFound($"Run with id={id} not found");

    static void AddParams(SqlSession session, RunId run, IReadOnlyList<KeyValuePair<string, string>> values, bool batch)
    {
        List<(string Key, string Old, string New)>? changed = null;
        foreach (var (key, value) in values)
        {
            if (RunTable.SetParam(session, run, key, value)) continue;
            var old = session.Text($"select value from run_param where run = {run} and key = {key}")!;
            if (old != value) (changed ??= []).Add((key, old, value));
        }
        if (changed is null) return;
        throw TaktException.Invalid(values.Count == 1 && !batch
            ? $"Changing param values is not allowed. Param with key='{changed[0].Key}' was already logged with value='{changed[0].Old}' for run ID='{run}'. Attempted logging new value '{changed[0].New}'."
            : $"Changing param values is not allowed. Params were already logged='[{string.Join(", ", changed.Select(c => $"{{'key': '{c.Key}', 'old_value': '{c.Old}', 'new_value': '{c.New}'}}"))}]' for run ID='{run}'.");
    }

    /// <returns>The run's experiment.</returns>
    long Active(SqlSession session, string id)
    {
        var run = session.First($"select r.lifecycle, r.experiment from run r join experiment e on e.id = r.experiment where r.id = {id} and e.workspace = {workspace}", row => Tuple.Create(row.Text(0), row.Number(1))) ?? throw Unknown(id);
        return run.Item1 == "active" ? run.Item2 : throw TaktException.Invalid($"The run {id} must be in the 'active' state. Current state is {run.Item1}.");
    }

    static string? Last(IReadOnlyList<KeyValuePair<string, string>> tags, string key) => LastIndex(tags, key) is >= 0 and var i ? tags[i].Value : null;

    static int LastIndex(IReadOnlyList<KeyValuePair<string, string>> tags, string key)
    {
        for (var i = tags.Count - 1; i >= 0; i--)
            if (tags[i].Key == key) return i;
        return -1;
    }
}
