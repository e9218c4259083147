using Takt.Storage;

namespace Takt.Runs;

/// <summary>What happened: every run's params, metrics, tags and artifacts. A call that has returned is durable.</summary>
/// <param name="cache">A folder for artifact trees that somebody wants as files.</param>
public sealed class RunTracker(Database database, IBlobStore blobs, TimeProvider time, string cache)
{
    public async Task<RunId> Start(StartRun start)
    {
        var id = start.Id ?? RunId.New();
        await database.Write(session => RunTable.Insert(session, id, start, time.GetUtcNow()));
        return id;
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public async Task End(RunId id, RunStatus status)
    {
        var changed = await database.Write(session => RunTable.End(session, id, status, time.GetUtcNow()));
        if (!changed) throw Unknown(id);
    }

    /// <summary>A param keeps its first value.</summary>
    public Task LogParams(RunId id, IReadOnlyDictionary<string, string> values) => database.Write(session =>
    {
        foreach (var (key, value) in values) RunTable.SetParam(session, id, key, value);
    });

    /// <param name="values">A value may be NaN; an infinite one is kept as the largest finite number.</param>
    public Task LogMetrics(RunId id, IReadOnlyDictionary<string, double> values, long step = 0) => database.Write(session =>
    {
        var now = time.GetUtcNow();
        foreach (var (key, value) in values) RunTable.AddPoint(session, id, new MetricValue(key, value, step, now));
    });

    public Task SetTags(RunId id, IReadOnlyDictionary<string, string> values) => database.Write(session =>
    {
        foreach (var (key, value) in values) RunTable.SetTag(session, id, key, value);
    });

    /// <param name="path">Within the run, with <c>/</c>; an artifact that is there already is replaced.</param>
    public async Task<Artifact> PutArtifact(RunId id, string path, Stream content, CancellationToken cancel = default)
    {
        var blob = await blobs.Put(content, cancel);
        await database.Write(session => session.Execute($"""
            insert into artifact(run, path, digest, size, created) values({id}, {path}, {blob.Id}, {blob.Length}, {time.GetUtcNow()})
            on conflict(run, path) do update set digest = excluded.digest, size = excluded.size, created = excluded.created
            """));
        return new Artifact(path, blob.Id, blob.Length);
    }

    /// <summary>Every file below a folder, as artifacts below <paramref name="path"/>.</summary>
    public async Task PutFolder(RunId id, string path, string folder, CancellationToken cancel = default)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            await using var content = File.OpenRead(file);
            await PutArtifact(id, $"{path.TrimEnd('/')}/{Path.GetRelativePath(folder, file).Replace('\\', '/')}", content, cancel);
        }
    }

    /// <summary>A local, read-only folder that holds the run's artifacts below <paramref name="path"/>.</summary>
    public async Task<string> ArtifactFolder(RunId id, string path, CancellationToken cancel = default)
    {
        var prefix = path.TrimEnd('/') + "/";
        var files = Get(id).Artifacts.Where(a => a.Path.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        if (files.Count == 0) throw TaktException.NotFound($"run {id} has no artifacts below '{path}'");
        var tree = string.Join('\n', files.Select(f => $"{f.Digest} {f.Path[prefix.Length..]}"));
        var folder = Path.Combine(cache, "artifacts", Digest.Of(System.Text.Encoding.UTF8.GetBytes(tree)).Hex);
        if (Directory.Exists(folder)) return folder;
        var tmp = $"{folder}.{Guid.NewGuid():N}.tmp";
        foreach (var file in files)
        {
            var to = Path.GetFullPath(Path.Combine(tmp, file.Path[prefix.Length..]));
            if (!to.StartsWith(tmp, StringComparison.Ordinal)) throw TaktException.Invalid($"artifact '{file.Path}' points out of its run");
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            Files.LinkOrCopy(await blobs.LocalFile(file.Digest, cancel), to);
        }
        try
        {
            Directory.Move(tmp, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(tmp, recursive: true); // another call was first; equal bytes
        }
        return folder;
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public RunDetail Get(RunId id) => Find(id) ?? throw Unknown(id);

    /// <inheritdoc cref="Get(RunId)"/>
    /// <remarks>A run of another workspace is not there.</remarks>
    public RunDetail Get(RunId id, Workspace workspace) => database.Read(session =>
        RunTable.Select(session, $"where r.id = {id} and e.workspace = {workspace}") is [var run] ? RunTable.Fill(session, run) : null) ?? throw Unknown(id);

    public RunDetail? Find(RunId id) => database.Read(session =>
        RunTable.Select(session, $"where r.id = {id}") is [var run] ? RunTable.Fill(session, run) : null);

    /// <summary>The newest runs first, parts of other runs left out.</summary>
    public IReadOnlyList<RunDetail> List(string? experiment = null, int limit = 50, int offset = 0, Workspace workspace = default) => database.Read(session =>
        RunTable.Select(session, experiment is null
            ? (Sql)$"where r.parent is null and r.lifecycle = 'active' and e.workspace = {workspace} order by r.started desc, r.seq desc limit {limit} offset {offset}"
            : $"where r.parent is null and r.lifecycle = 'active' and e.workspace = {workspace} and e.name = {experiment} order by r.started desc, r.seq desc limit {limit} offset {offset}")
        .ConvertAll(run => RunTable.Fill(session, run)));

    /// <summary>The newest runs of pipelines, of whatever experiment: no stages, no runs that clients logged. Pipelines are the project's, in <c>default</c>.</summary>
    public IReadOnlyList<RunDetail> Pipelines(int limit) => database.Read(session =>
        RunTable.Select(session, $"""
            where r.lifecycle = 'active' and e.workspace = {Workspace.Default} and r.id in (select pipeline_run from stage_run)
            order by r.started desc, r.seq desc limit {limit}
            """).ConvertAll(run => RunTable.Fill(session, run)));

    /// <summary>The parts of a run, in the order they began.</summary>
    public IReadOnlyList<RunDetail> Children(RunId id) => database.Read(session =>
        RunTable.Select(session, $"where r.parent = {id} order by r.seq").ConvertAll(run => RunTable.Fill(session, run)));

    /// <summary>Runs of pipelines and stages that say they are running; those of a process that is gone are to be ended by its successor.</summary>
    public IReadOnlyList<RunDetail> Unfinished() => database.Read(session =>
        RunTable.Select(session, $"where r.status = 'RUNNING' and exists (select 1 from run_tag t where t.run = r.id and t.key = {PipelineRunner.KindTag} and t.value in ('pipeline', 'stage')) order by r.seq").ConvertAll(run => RunTable.Fill(session, run)));

    static TaktException Unknown(RunId id) => TaktException.NotFound($"no run {id}; `takt runs list` shows those that there are");
}
