using System.Text.Json;
using Takt.Data;
using Takt.Runs;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Models;

/// <summary>Removes for good what was deleted: the rows first, and later the bytes that nothing names any more.</summary>
/// <remarks>
/// It fails closed. A run or logged model that a registered version still needs stays, and its experiment with it. Bytes are looked at only when a purge took their row away: a blob that
/// was never an artifact is never touched. They go after a grace, when no artifact, model package, stage result or dataset names them, and are put back when something
/// has begun to while they were being removed.
/// </remarks>
public sealed class Purge(Database database, IBlobStore blobs, Datasets datasets, TimeProvider time, TaktFolder folder)
{
    public static readonly TimeSpan DefaultAge = TimeSpan.FromDays(30);
    public static readonly TimeSpan DefaultGrace = TimeSpan.FromDays(1);

    /// <summary>Runs in one transaction: everybody else's writes wait for it.</summary>
    const int Together = 20;

    /// <summary>Blobs that are taken away before it is looked whether somebody names them now.</summary>
    const int BlobsTogether = 200;

    static readonly string[] OfRun = ["run_param", "run_tag", "run_metric", "metric_block", "run_input", "run_model_input", "run_output", "artifact", "gate_result", "logged_model_metric"];

    /// <summary>The store that artifacts are put into, without the packs of datasets: those have a collection of their own, <c>takt data gc</c>.</summary>
    readonly IBlobStore _whole = blobs is PackStore packs ? packs.Whole : blobs;

    /// <summary>Whose forgotten uploads a purge ends too.</summary>
    public ArtifactUploads? Uploads { get; init; }

    /// <summary>How long between the removal of bytes and the second look; an upload of the same bytes writes its row in much less.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(2);

    /// <param name="only">What is in this workspace; null: in any.</param>
    public PurgePlan Plan(TimeSpan age, Workspace? only = null) => database.Read(session => Plan(session, time.GetUtcNow() - age, only, out _, out _));

    /// <param name="grace">Bytes stay this long after their last row has gone.</param>
    /// <param name="only">What is in this workspace; null: in any. Bytes that nothing names any more go, whichever workspace they were of.</param>
    public async Task<PurgePlan> Apply(TimeSpan age, TimeSpan grace, CancellationToken cancel = default, Workspace? only = null)
    {
        var before = time.GetUtcNow() - age;
        List<long> experiments = [];
        List<string> models = [];
        var plan = database.Read(session => Plan(session, before, only, out experiments, out models));
        foreach (var some in plan.Runs.Chunk(Together))
        {
            cancel.ThrowIfCancellationRequested();
            // restored, or needed by a version, since the plan was made: looked at again where it is removed
            await database.Write(session =>
            {
                foreach (var run in some)
                    if (session.Number($"select count(*) from run r where r.id = {run} and {Gone(before)} and not {NeededRun}") == 1) RemoveRun(session, run);
            });
            foreach (var run in some) RemoveLogs(run);
        }
        foreach (var model in models)
            await database.Write(session =>
            {
                if (session.Number($"select count(*) from logged_model l where l.id = {model} and {GoneModel(before)} and not {NeededModel}") == 1) RemoveModel(session, model);
            });
        foreach (var experiment in experiments)
            await database.Write(session =>
            {
                if (session.Number($"""
                    select count(*) from experiment e where e.id = {experiment} and e.lifecycle = 'deleted' and e.updated < {before}
                    and not exists(select 1 from run r where r.experiment = e.id) and not exists(select 1 from logged_model l where l.experiment = e.id)
                    """) == 1) RemoveExperiment(session, experiment);
            });
        var uploads = Uploads is null ? 0 : await Uploads.EndOld(cancel);
        var (freed, bytes) = await Free(time.GetUtcNow() - grace, cancel);
        return plan with { Freed = freed, FreedBytes = bytes, Uploads = uploads };
    }

    static Sql Gone(DateTimeOffset before) => $"""
        r.lifecycle = 'deleted' and (coalesce(r.deleted, r.ended, r.started) < {before} or exists(select 1 from experiment e where e.id = r.experiment and e.lifecycle = 'deleted' and e.updated < {before}))
        """;

    static Sql GoneModel(DateTimeOffset before) => $"""
        ((l.deleted = 1 and l.updated < {before}) or exists(select 1 from experiment e where e.id = l.experiment and e.lifecycle = 'deleted' and e.updated < {before}))
        """;

    /// <summary>A registered version was made by it, or has its files in it.</summary>
    static readonly Sql NeededRun = Sql.Raw("exists(select 1 from model_version v where v.run = r.id or v.source like 'runs:/' || r.id || '/%' or v.source like '%/' || r.id || '/artifacts%')");

    static readonly Sql NeededModel = Sql.Raw("exists(select 1 from model_version v where v.source = 'models:/' || l.id or v.source like 'models:/' || l.id || '/%' or v.source like '%/models/' || l.id || '/artifacts%')");

    /// <summary>What goes with a workspace that is removed: bytes that only its rows name are due, and files by a path move with it.</summary>
    public void Follow(SqlSession session, Workspace workspace, WorkspaceRemoval how)
    {
        var folder = ArtifactFiles.Scoped(workspace, "") + "/";
        if (how == WorkspaceRemoval.SetDefault)
        {
            // where default has a file of the same path, that one stays, and the other where it is
            var (rest, prefix) = (Sql.Raw((folder.Length + 1).ToString(System.Globalization.CultureInfo.InvariantCulture)), folder);
            session.Execute($"""
                update artifact_file set path = substr(path, {rest}) where path >= {prefix} and path < {prefix[..^1] + "0"}
                and not exists(select 1 from artifact_file o where o.path = substr(artifact_file.path, {rest}))
                """);
            return;
        }
        Sql runs = $"select r.id from run r join experiment e on e.id = r.experiment where e.workspace = {workspace}";
        Remember(session, $"select distinct digest from artifact where run in ({runs})");
        RemoveFiles(session, folder.TrimEnd('/'));
        foreach (var files in session.Query($"select package_files from model_version where workspace = {workspace} and package_files <> {"{}"}", row => row.Text(0)))
            foreach (var digest in JsonSerializer.Deserialize(files, ModelsJson.Default.DictionaryStringString)!.Values) Remember(session, digest);
        // these know their run by its id alone
        foreach (var table in OfRun) session.Execute($"delete from {Sql.Raw(table)} where run in ({runs})");
    }

    PurgePlan Plan(SqlSession session, DateTimeOffset before, Workspace? only, out List<long> experiments, out List<string> models)
    {
        Sql within = only is { } workspace ? (Sql)$"and experiment in (select id from experiment where workspace = {workspace})" : Sql.Raw("");
        Sql ofWorkspace = only is { } named ? (Sql)$"and workspace = {named}" : Sql.Raw("");
        var kept = new List<string>();
        var runs = session.Query($"select r.id, cast(case when {NeededRun} then 1 else 0 end as bigint) from run r where {Gone(before)} {within} order by r.seq", row => (Id: row.Text(0), Needed: row.Flag(1)));
        var logged = session.Query($"select l.id, cast(case when {NeededModel} then 1 else 0 end as bigint) from logged_model l where {GoneModel(before)} {within} order by l.created", row => (Id: row.Text(0), Needed: row.Flag(1)));
        kept.AddRange(runs.Where(r => r.Needed).Select(r => $"run {r.Id}: a registered model version is from it"));
        kept.AddRange(logged.Where(m => m.Needed).Select(m => $"logged model {m.Id}: a registered model version is from it"));
        var gone = runs.Where(r => !r.Needed).Select(r => r.Id).ToHashSet(StringComparer.Ordinal);
        var goneModels = logged.Where(m => !m.Needed).Select(m => m.Id).ToHashSet(StringComparer.Ordinal);
        experiments = [];
        var names = new List<string>();
        foreach (var (id, name) in session.Query($"select id, name from experiment where lifecycle = 'deleted' and updated < {before} and id <> 0 {ofWorkspace} order by id", row => (row.Number(0), row.Text(1))))
        {
            if (session.Query($"select id from run where experiment = {id}", row => row.Text(0)).TrueForAll(gone.Contains)
                && session.Query($"select id from logged_model where experiment = {id}", row => row.Text(0)).TrueForAll(goneModels.Contains))
            {
                experiments.Add(id);
                names.Add(name);
            }
            else kept.Add($"experiment {name}: a run or a model in it is kept");
        }
        models = [.. goneModels];
        var digests = new HashSet<string>(session.Query($"select digest from purged_blob", row => row.Text(0)), StringComparer.Ordinal);
        foreach (var some in gone.Chunk(500)) digests.UnionWith(session.Query($"select digest from artifact where run in ({Sql.Join(", ", some.Select(r => (Sql)$"{r}"))})", row => row.Text(0)));
        return new PurgePlan(names, [.. runs.Where(r => !r.Needed).Select(r => r.Id)], models, kept, digests.Count);
    }

    void RemoveRun(SqlSession session, string run)
    {
        Remember(session, $"select distinct digest from artifact where run = {run}");
        foreach (var table in OfRun) session.Execute($"delete from {Sql.Raw(table)} where run = {run}");
        session.Execute($"delete from stage_run where pipeline_run = {run}");
        session.Execute($"delete from run where id = {run}");
    }

    void RemoveModel(SqlSession session, string model)
    {
        if (session.First($"select l.artifact_uri, e.workspace from logged_model l join experiment e on e.id = l.experiment where l.id = {model}", row => Tuple.Create(row.Text(0), row.Text(1))) is { } of
            && ArtifactFiles.PathOf(of.Item1) is { Length: > 0 } path && ArtifactFiles.ScopedOrNull(new Workspace(of.Item2), path) is { } place) RemoveFiles(session, place);
        session.Execute($"delete from logged_model_metric where model = {model}");
        session.Execute($"delete from logged_model_tag where model = {model}");
        session.Execute($"delete from logged_model_param where model = {model}");
        session.Execute($"delete from logged_model where id = {model}");
    }

    void RemoveExperiment(SqlSession session, long experiment)
    {
        var (number, workspace) = (experiment.ToString(System.Globalization.CultureInfo.InvariantCulture), session.Text($"select workspace from experiment where id = {experiment}"));
        if (workspace is not null && ArtifactFiles.ScopedOrNull(new Workspace(workspace), number) is { } place) RemoveFiles(session, place); // what clients put beside its runs
        session.Execute($"delete from experiment_tag where experiment = {experiment}");
        session.Execute($"delete from experiment where id = {experiment}"); // its traces and scorers go with it
    }

    void RemoveFiles(SqlSession session, string root)
    {
        if (root.Length == 0) return;
        Remember(session, $"select distinct digest from artifact_file where path >= {root + "/"} and path < {root + "0"}"); // 0 is the character after /
        session.Execute($"delete from artifact_file where path >= {root + "/"} and path < {root + "0"}");
    }

    void Remember(SqlSession session, Sql digests)
    {
        foreach (var digest in session.Query(digests, row => row.Text(0))) Remember(session, digest);
    }

    void Remember(SqlSession session, string digest)
    {
        session.Execute($"insert into purged_blob(digest, purged) values({digest}, {time.GetUtcNow()}) on conflict(digest) do update set purged = excluded.purged");
    }

    void RemoveLogs(string run)
    {
        var logs = Path.Combine(folder.Runs, run);
        if (Path.GetDirectoryName(logs) == folder.Runs && Directory.Exists(logs) && database.Read(session => session.Number($"select count(*) from run where id = {run}")) == 0) Directory.Delete(logs, recursive: true);
    }

    async Task<(long Blobs, long Bytes)> Free(DateTimeOffset before, CancellationToken cancel)
    {
        var due = database.Read(session => session.Query($"select digest from purged_blob where purged < {before} order by digest", row => row.Text(0))).ToHashSet(StringComparer.Ordinal);
        if (due.Count == 0) return (0, 0);
        var named = await Named(due, cancel);
        await Forget(named);
        due.ExceptWith(named);
        var (freed, bytes) = (0L, 0L);
        foreach (var some in due.Chunk(BlobsTogether))
        {
            cancel.ThrowIfCancellationRequested();
            var held = new Dictionary<string, Stream>(StringComparer.Ordinal);
            try
            {
                foreach (var text in some)
                {
                    var digest = Digest.Parse(text);
                    if (await _whole.Length(digest, cancel) is null) continue;
                    held[text] = await _whole.Open(digest, cancel); // what is open can still be read when its name is gone
                    await _whole.Delete(digest, cancel);
                }
                await Task.Delay(Settle, CancellationToken.None);
                var since = await Named(held.Keys.ToHashSet(StringComparer.Ordinal), CancellationToken.None);
                foreach (var text in since)
                {
                    held[text].Position = 0;
                    await _whole.Put(held[text], CancellationToken.None);
                }
                freed += held.Count - since.Count;
                bytes += held.Where(h => !since.Contains(h.Key)).Sum(h => h.Value.Length);
                await Forget(some);
            }
            finally
            {
                foreach (var stream in held.Values) await stream.DisposeAsync();
            }
        }
        return (freed, bytes);
    }

    Task Forget(IEnumerable<string> digests)
    {
        var list = digests.ToList();
        return database.Write(session =>
        {
            foreach (var digest in list) session.Execute($"delete from purged_blob where digest = {digest}");
        });
    }

    /// <summary>Those of the digests that something names.</summary>
    /// <exception cref="TaktException">A dataset can't be read: then nobody knows what it names, and nothing may go.</exception>
    async Task<HashSet<string>> Named(HashSet<string> digests, CancellationToken cancel)
    {
        var named = new HashSet<string>(StringComparer.Ordinal);
        void Note(string digest)
        {
            if (digests.Contains(digest)) named.Add(digest);
        }
        var commits = database.Read(session =>
        {
            session.Query($"select digest from artifact", row => { Note(row.Text(0)); return true; });
            session.Query($"select digest from artifact_file", row => { Note(row.Text(0)); return true; });
            foreach (var map in session.Query($"select package_files from model_version where package_files <> {"{}"}", row => row.Text(0)).Concat(session.Query($"select outputs from stage_result", row => row.Text(0))))
                foreach (var digest in JsonSerializer.Deserialize(map, ModelsJson.Default.DictionaryStringString)!.Values) Note(digest.EndsWith("+x", StringComparison.Ordinal) ? digest[..^2] : digest);
            return session.Query($"select dataset, id, tree, profile from dataset_commit where dropped is null", row =>
            {
                Note(row.Text(1));
                Note(row.Text(2));
                if (row.TextOrNull(3) is { } profile) Note(profile);
                return $"{row.Text(0)}@{row.Text(1)}";
            });
        });
        foreach (var commit in commits)
            foreach (var file in (await datasets.Tree(datasets.Show(commit), cancel)).Files) Note(file.Digest.ToString());
        return named;
    }
}
