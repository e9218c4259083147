using System.Text.Json;
using Takt.Runs.Traces;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Runs.Import;

/// <summary>Writes runs of another tracking server with the ids and times that they have there. Each run is one transaction: it is here whole, or not at all.</summary>
/// <param name="source">The address or folder that is copied from; what was copied is remembered by it.</param>
/// <param name="workspace">It is copied into this one. Ids are one for the whole server: what another workspace has can't be copied into this one too.</param>
public sealed class RunImport(Database database, IBlobStore blobs, TimeProvider time, string source, Workspace workspace = default)
{
    const string Default = "Default";

    /// <summary>Points in one block; a longer history is several.</summary>
    const int BlockPoints = 25_000;

    const string Scheme = "mlflow-artifacts:/";

    /// <summary>Finds or makes the experiment.</summary>
    /// <remarks>
    /// <c>Default</c> is Default. One of the same name and creation time is the same, whichever way it was copied. A name that is taken by another gets <c>-imported</c> behind it. The id is
    /// kept when it is free.
    /// </remarks>
    /// <param name="dry">Only tells what would be.</param>
    public Task<ImportTarget> Put(ImportedExperiment experiment, bool dry = false) => dry ? Task.FromResult(database.Read(session => Place(session, experiment))) : database.Write(session =>
    {
        var place = Place(session, experiment);
        var id = long.Parse(place.Id);
        var now = time.GetUtcNow();
        if (place is { IsNew: true })
        {
            session.Execute($"""
                insert into experiment(id, workspace, name, artifact_location, lifecycle, created, updated)
                values({id}, {workspace}, {place.Name}, {Scheme + id}, {(experiment.Deleted ? "deleted" : "active")}, {experiment.Created}, {experiment.Updated}) on conflict do nothing
                """);
            foreach (var (key, value) in experiment.Tags)
                session.Execute($"insert into experiment_tag(experiment, key, value) values({id}, {key}, {value}) on conflict do nothing");
        }
        ImportTable.Put(session, source, "experiment", experiment.Id, place.Id, "", now);
        return place;
    });

    /// <summary>Is the run here as it is there now? One that was purged here since is not.</summary>
    /// <exception cref="TaktException">Conflict, as the others: another workspace has it.</exception>
    public bool Has(ImportedRun run) => database.Read(session =>
        Here(session, run.Id, $"select e.workspace from run r join experiment e on e.id = r.experiment where r.id = {run.Id}")
        && (ImportTable.Find(session, source, "run", run.Id) is not { } item || (item.Mark == run.Mark && run.Status != RunStatus.RUNNING)));

    /// <summary>Is the model here as it is there now?</summary>
    public bool Has(ImportedLoggedModel model) => database.Read(session =>
        Here(session, model.Id, $"select e.workspace from logged_model l join experiment e on e.id = l.experiment where l.id = {model.Id}")
        && (ImportTable.Find(session, source, "logged-model", model.Id) is not { } item || item.Mark == model.Mark));

    /// <summary>Is the trace here as it is there now?</summary>
    public bool Has(ImportedTrace trace) => database.Read(session =>
        Here(session, trace.Info.Id, $"select workspace from trace where id = {trace.Info.Id} and state <> {TraceRows.Expected}")
        && (ImportTable.Find(session, source, "trace", trace.Info.Id) is not { } item || (item.Mark == trace.Mark && trace.Info.State != TraceLog.Running)));

    /// <summary>Remembers that the trace, with its spans and assessments, has been written.</summary>
    public Task Done(ImportedTrace trace) => database.Write(session => ImportTable.Put(session, source, "trace", trace.Info.Id, trace.Info.Id, trace.Mark, time.GetUtcNow()));

    /// <summary>Stores the files, each durable before the rows that name it.</summary>
    public async Task<List<Artifact>> Store(IAsyncEnumerable<ImportedFile> files, CancellationToken cancel)
    {
        var stored = new List<Artifact>();
        await foreach (var file in files.WithCancellation(cancel))
        {
            if (file.Path.Split('/').Any(part => part.Length == 0 || part is "." or "..")) throw TaktException.Invalid($"'{file.Path}' is no path of an artifact");
            await using var content = await file.Open(cancel);
            var blob = blobs is PackStore packs ? await packs.Put(content, static (_, _) => { }, cancel) : await blobs.Put(content, cancel);
            stored.Add(new Artifact(file.Path, blob.Id, blob.Length));
        }
        return stored;
    }

    /// <param name="experiment">Its id here.</param>
    /// <param name="artifacts">Stored already; null: they stay where <see cref="ImportedRun.ArtifactUri"/> says.</param>
    public Task Put(ImportedRun run, string experiment, IReadOnlyDictionary<string, List<MetricValue>> points, IReadOnlyList<Artifact>? artifacts) => database.Write(session =>
    {
        CheckId(run.Id);
        var id = new RunId(run.Id);
        var group = long.Parse(experiment);
        var now = time.GetUtcNow();
        var address = artifacts is null ? run.ArtifactUri : $"{Scheme}{group}/{run.Id}/artifacts";
        var parent = run.Tags.LastOrDefault(t => t.Key == RunTable.ParentTag).Value;
        var lifecycle = run.Deleted ? "deleted" : "active";
        long? deleted = run.Deleted ? now.ToUnixTimeMilliseconds() : null;
        if (session.Execute($"update run set name = {run.Name}, status = {run.Status}, lifecycle = {lifecycle}, ended = {run.Ended}, deleted = {deleted} where id = {id}") > 0)
            foreach (var table in (string[])["run_param", "run_tag", "run_metric", "metric_block", "run_input", "run_model_input", "run_output", "artifact"]) session.Execute($"delete from {Sql.Raw(table)} where run = {id}");
        else
            session.Execute($"""
                insert into run(id, seq, experiment, name, user_id, status, lifecycle, started, ended, deleted, parent, artifact_uri)
                values({id}, {RunTable.NextSeq(session)}, {group}, {run.Name}, {run.User}, {run.Status}, {lifecycle}, {run.Started}, {run.Ended}, {deleted}, {parent}, {address})
                """);
        foreach (var (key, value) in run.Params) RunTable.SetParam(session, id, key, value);
        foreach (var (key, value) in run.Tags) RunTable.SetTag(session, id, key, value);
        foreach (var history in points.Values)
            foreach (var block in history.Chunk(BlockPoints))
                RunTable.AddPoints(session, run.Id, group, [.. block.Select(p => new LoggedMetric(p.Key, p.Value, p.Step, p.Time.ToUnixTimeMilliseconds()))]);
        foreach (var input in run.Inputs)
            session.Execute($"""
                insert into run_input(run, name, digest, source_type, source, schema_text, profile, context, tags)
                values({id}, {input.Name}, {input.Digest}, {input.SourceType}, {input.Source}, {input.Schema}, {input.Profile},
                       {input.Tags.GetValueOrDefault(RunInput.ContextTag)}, {JsonSerializer.Serialize(input.Tags, RunsJson.Default.IReadOnlyDictionaryStringString)}) on conflict do nothing
                """);
        foreach (var model in run.ModelInputs) session.Execute($"insert into run_model_input(run, model) values({id}, {model}) on conflict do nothing");
        foreach (var output in run.Outputs) session.Execute($"insert into run_output(run, model, step) values({id}, {output.Model}, {output.Step}) on conflict do nothing");
        foreach (var file in artifacts ?? []) session.Execute($"insert into artifact(run, path, digest, size, created) values({id}, {file.Path}, {file.Digest}, {file.Size}, {now})");
        ImportTable.Put(session, source, "run", run.Id, run.Id, run.Mark, now);
    });

    /// <inheritdoc cref="Put(ImportedRun, string, IReadOnlyDictionary{string, List{MetricValue}}, IReadOnlyList{Artifact})"/>
    public Task Put(ImportedLoggedModel model, string experiment, IReadOnlyList<Artifact>? artifacts) => database.Write(session =>
    {
        CheckId(model.Id);
        var group = long.Parse(experiment);
        var now = time.GetUtcNow();
        var root = $"{group}/models/{model.Id}/artifacts";
        var address = artifacts is null ? model.ArtifactUri : Scheme + root;
        session.Execute($"""
            insert into logged_model(id, experiment, name, model_type, run, artifact_uri, status, deleted, created, updated)
            values({model.Id}, {group}, {model.Name}, {model.Type}, {model.Run}, {address}, {model.Status}, 0, {model.Created}, {model.Updated})
            on conflict(id) do update set name = excluded.name, status = excluded.status, updated = excluded.updated
            """);
        session.Execute($"delete from logged_model_tag where model = {model.Id}");
        session.Execute($"delete from logged_model_param where model = {model.Id}");
        foreach (var (key, value) in model.Tags) session.Execute($"insert into logged_model_tag(model, key, value) values({model.Id}, {key}, {value}) on conflict do nothing");
        foreach (var (key, value) in model.Params) session.Execute($"insert into logged_model_param(model, key, value) values({model.Id}, {key}, {value}) on conflict do nothing");
        foreach (var file in artifacts ?? [])
        {
            var path = ArtifactFiles.Scoped(workspace, $"{root}/{file.Path}");
            session.Execute($"""
                insert into artifact_file(path, digest, size, created) values({path}, {file.Digest}, {file.Size}, {now})
                on conflict(path) do update set digest = excluded.digest, size = excluded.size
                """);
        }
        ImportTable.Put(session, source, "logged-model", model.Id, model.Id, model.Mark, now);
    });

    ImportTarget Place(SqlSession session, ImportedExperiment experiment)
    {
        if (ImportTable.Find(session, source, "experiment", experiment.Id) is { } known && Named(session, known.Target) is { } name) return new ImportTarget(known.Target, name, false);
        var ours = session.First($"select id, created from experiment where workspace = {workspace} and name = {experiment.Name}", row => Tuple.Create(row.Number(0), row.Time(1)));
        if (ours is not null && (experiment.Name == Default || ours.Item2.ToUnixTimeMilliseconds() == experiment.Created.ToUnixTimeMilliseconds())) return new ImportTarget(ours.Item1.ToString(), experiment.Name, false);
        var free = ImportTable.FreeName(experiment.Name, n => session.Number($"select count(*) from experiment where workspace = {workspace} and name = {n}") > 0);
        // 0 is Default's of the default workspace, whoever else has it there
        var isZero = experiment.Name == Default && workspace.IsDefault;
        var keeps = long.TryParse(experiment.Id, out var id) && id >= 0 && (id > 0 || isZero) && session.Number($"select count(*) from experiment where id = {id}") == 0;
        if (!keeps) id = isZero ? 0 : Math.Max(1, (session.Number($"select max(id) from experiment") ?? 0) + 1);
        return new ImportTarget(id.ToString(), free, true);
    }

    /// <summary>Ids become parts of paths and addresses.</summary>
    static void CheckId(string id)
    {
        if (id.Length is 0 or > 256 || !char.IsAsciiLetterOrDigit(id[0]) || !id.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
            throw TaktException.Invalid($"'{id}' is no id: letters, digits, _ and -, 256 at most, a letter or digit first");
    }

    string? Named(SqlSession session, string id) => session.Text($"select name from experiment where id = {long.Parse(id)} and workspace = {workspace}");

    /// <summary>Whether it is here, from this source, by another way, or ours.</summary>
    /// <param name="owner">Finds its workspace.</param>
    bool Here(SqlSession session, string id, Sql owner) => session.Text(owner) is { } there
        && (there == workspace.Name ? true : throw TaktException.Conflict($"{id} is in workspace '{there}' already, and an id is one for the whole server; it is not copied into '{workspace}' too"));
}
