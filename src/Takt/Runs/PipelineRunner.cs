using System.Collections.Concurrent;
using Takt.Data;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Runs a project's stages: in order, side by side, and only where something that they depend on has changed.</summary>
/// <remarks>One pipeline runs at a time in a folder; a second call waits for the first, in this process or another.</remarks>
public sealed class PipelineRunner(
    TaktFolder folder, Database database, IBlobStore blobs, RunTracker tracker, IReadOnlyList<IStepKind> kinds, IExecutor executor, TimeProvider time, Leases leases)
{
    public const string KindTag = "takt.kind";
    public const string TriggerTag = "takt.trigger";
    public const string CodeTag = "mlflow.source.git.commit";

    /// <summary>Which gate stopped a run, and by which rule. MLflow has no status for it: the run is FAILED, and this tells it from one that broke.</summary>
    public const string RefusedTag = "takt.refused";

    /// <summary>Why a run was ended by somebody else than who began it.</summary>
    public const string ReasonTag = "takt.reason";

    /// <summary>That a run which something triggered had no newer rows than the one before.</summary>
    public const string UnchangedTag = "takt.unchanged";

    const string LeasePrefix = "run/";

    /// <summary>Names what <see cref="EndVanished"/> ended, for the folder that it ran in: when its machine comes back, half-written outputs and processes are to be ended there.</summary>
    const string VanishedPrefix = "vanished/";

    readonly StageTable _table = new(database, time);

    public StageTable Stages => _table;

    public Project LoadProject() => Project.Load(folder, kinds);

    /// <param name="listen">Told each change and each log line; called from several threads, one call at a time.</param>
    /// <param name="waiting">Told who holds the folder, when it has to be waited for.</param>
    /// <exception cref="TaktException">Invalid or NotFound: the project file has faults, or an input is missing; nothing has run.</exception>
    public async Task<PipelineResult> Run(PipelineRequest request, Action<StageNews>? listen = null, Action<string>? waiting = null, CancellationToken cancel = default)
    {
        using var turn = await TakeTurn(waiting, cancel);
        await Recover();
        var project = LoadProject();
        var graph = StageGraph.Of(project).For(request.Stages);
        graph.RequireInputs(project);

        var code = await GitCommit.Of(folder.Root, cancel);
        var tags = new Dictionary<string, string> { [KindTag] = "pipeline", [TriggerTag] = request.Trigger };
        if (code is not null) tags[CodeTag] = code;
        var id = RunId.New();
        Directory.CreateDirectory(LogsOf(id)); // before the row: it tells whose run it is, see Recover
        await using var lease = await leases.TryTake(LeasePrefix + id, cancel) ?? throw new InvalidOperationException($"run {id} is new and has a lease"); // before the row as well: it tells that somebody is at it
        var run = await tracker.Start(new StartRun(project.Name, request.Stages.Count == 0 ? "pipeline" : string.Join(' ', request.Stages), Tags: tags, Id: id));

        var digests = new FileDigests(database, time);
        var runner = new StageRunner(project, graph, run, code, folder, blobs, tracker, _table, digests, executor, time);
        var end = RunStatus.FAILED; // also when the lock file can't be written, say
        try
        {
            var data = Data(graph);
            var result = new PipelineResult(run, await RunGraph(graph, runner, run, request, listen ?? (_ => { }), lease.Token));
            await digests.Save();
            if (lease.IsLost) throw TaktException.Conflict($"run {run} was ended by another server, to which this machine was gone: nothing was heard of it for {Leases.Life.TotalMinutes} minutes");
            if (result.Refusal is { } refusal) await tracker.SetTags(run, new Dictionary<string, string> { [RefusedTag] = refusal });
            if (request.Trigger != "manual" && data.Count > 0 && Data(graph) is var now && now.Count == data.Count && now.All(data.Contains)) await tracker.SetTags(run, new Dictionary<string, string> { [UnchangedTag] = Unchanged(now) });
            if (!cancel.IsCancellationRequested && request.Stages.Count == 0 && result.Succeeded) LockFile.Write(folder, graph, _table, result.Stages);
            end = cancel.IsCancellationRequested ? RunStatus.KILLED : result.Succeeded ? RunStatus.FINISHED : RunStatus.FAILED;
            cancel.ThrowIfCancellationRequested();
            return result;
        }
        finally
        {
            await database.Write(session =>
            {
                if (lease.End(session))
                {
                    RunTable.TakeFromParts(session, run);
                    RunTable.End(session, run, end, time.GetUtcNow());
                }
                else session.Execute($"delete from lease where name = {VanishedPrefix + id}"); // what was half written has been taken away here
            });
        }
    }

    /// <summary>Ends runs whose process was killed, unless a pipeline runs in the folder. The next <see cref="Run"/> does so too; until then they would look as if they still ran.</summary>
    /// <remarks>On PostgreSQL only this folder's: the others may be those of another machine, whose folder can't be asked.</remarks>
    public async Task EndLeftovers()
    {
        if (!tracker.Unfinished().Any(IsOurs) && Vanished().Count == 0) return;
        using var turn = FolderLock.TryTake(RunLock, $"process {Environment.ProcessId}", out _);
        if (turn is not null) await Recover();
    }

    /// <summary>
    /// Ends the runs of machines that vanished: those whose lease ran out, as <c>FAILED</c>. Any server on the database may do it, but for runs of its own folder, whose lock tells more
    /// (<see cref="EndLeftovers"/>).
    /// </summary>
    public async Task EndVanished()
    {
        if (database.Dialect == SqlDialect.Sqlite) return; // a file is one machine's
        foreach (var (name, owner) in leases.RunOut(LeasePrefix))
        {
            var id = new RunId(name[LeasePrefix.Length..]);
            if (Directory.Exists(LogsOf(id))) continue;
            var now = time.GetUtcNow();
            var why = $"its machine was gone: nothing was heard of {owner} for {Leases.Life.TotalMinutes} minutes";
            await database.Write(session =>
            {
                // not when it was renewed or ended meanwhile
                if (session.Execute($"update lease set name = {VanishedPrefix + id} where name = {name} and until <= {now}") == 0) return;
                _table.Interrupt(session, id, why);
                foreach (var run in session.Query($"select id from run where (id = {id} or parent = {id}) and status = {RunStatus.RUNNING}", row => new RunId(row.Text(0))))
                {
                    RunTable.End(session, run, RunStatus.FAILED, now);
                    RunTable.SetTag(session, run, ReasonTag, why);
                }
            });
        }
    }

    /// <summary>The log of a stage in a pipeline run, of a long one the end; null when there is none.</summary>
    /// <param name="most">Bytes of it.</param>
    public string? LogOf(RunId pipelineRun, string stage, int most)
    {
        // the names come from a caller: only what is listed is opened
        var logs = LogsOf(pipelineRun);
        if (!Directory.Exists(logs) || Directory.GetFiles(logs, "*.log").FirstOrDefault(f => Path.GetFileNameWithoutExtension(f) == stage) is not { } path) return null;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var cut = file.Length > most;
        if (cut) file.Position = file.Length - most;
        using var reader = new StreamReader(file);
        return (cut ? "…" : "") + reader.ReadToEnd();
    }

    /// <summary>What a run would do now; nothing is run or written.</summary>
    public async Task<IReadOnlyList<StageReason>> Plan(IReadOnlyList<string> stages, CancellationToken cancel = default)
    {
        var project = LoadProject();
        var graph = StageGraph.Of(project).For(stages);
        graph.RequireInputs(project);
        var digests = new FileDigests(database, time);
        var runner = new StageRunner(project, graph, default, null, folder, blobs, tracker, _table, digests, executor, time);
        var reasons = new List<StageReason>();
        var stale = new HashSet<string>(StringComparer.Ordinal);
        foreach (var stage in graph.Order)
        {
            var waits = graph.Upstream[stage.Name].FirstOrDefault(stale.Contains);
            var reason = waits is null ? await runner.Reason(stage, cancel) : new StageReason(stage.Name, false, $"{waits} runs before it", null, []);
            if (!reason.UpToDate) stale.Add(stage.Name);
            reasons.Add(reason);
        }
        await digests.Save();
        return reasons;
    }

    /// <exception cref="TaktException">NotFound: no such stage.</exception>
    public async Task<StageReason> Why(string stage, CancellationToken cancel = default) => (await Plan([stage], cancel))[^1];

    /// <summary>The newest version of each dataset that the stages collect.</summary>
    List<string> Data(StageGraph graph) => [.. graph.Order.Where(s => s.Kind?.Name == "collect").Select(s => _table.LastTags(s.Name)?.GetValueOrDefault("takt.dataset")).OfType<string>()];

    string Unchanged(List<string> data) => $"data unchanged since {string.Join(", ", data.Select(reference => database.Read(session =>
    {
        var (name, id) = (reference.Split('@')[0], Digest.Parse(reference[(reference.IndexOf('@', StringComparison.Ordinal) + 1)..]));
        return DatasetTable.Numbers(session, name).TryGetValue(id, out var number) && DatasetTable.Find(session, name, id) is { } commit ? $"version {number} of {name} ({commit.Time.UtcDateTime:yyyy-MM-dd HH:mm} UTC)" : reference;
    })))}: what learned in this run learned from the same rows as before";

    async Task<IReadOnlyList<StageRun>> RunGraph(
        StageGraph graph, StageRunner runner, RunId run, PipelineRequest request, Action<StageNews> listen, CancellationToken cancel)
    {
        var telling = new Lock();
        void Tell(StageNews news) { lock (telling) listen(news); }

        using var slots = new SemaphoreSlim(request.Jobs > 0 ? request.Jobs : Environment.ProcessorCount);
        var done = new ConcurrentDictionary<string, Task<StageRun>>();
        var unwritten = new ConcurrentQueue<(StageRun, StageKey?)>();
        foreach (var stage in graph.Order)
        {
            var upstream = graph.Upstream[stage.Name].Select(name => done[name]).ToList();
            done[stage.Name] = Task.Run(() => One(stage, upstream), CancellationToken.None);
        }
        var ended = await Task.WhenAll(graph.Order.Select(stage => done[stage.Name]));
        await _table.Put([.. unwritten]);
        return ended;

        async Task<StageRun> One(Stage stage, List<Task<StageRun>> upstream)
        {
            StageRun end;
            StageKey? key = null;
            var needed = await Task.WhenAll(upstream);
            var failed = Array.Find(needed, s => !s.Succeeded);
            if (failed is not null || cancel.IsCancellationRequested)
            {
                end = new StageRun(run, stage.Name, failed is null ? StageState.Cancelled : StageState.Skipped, null, null, null, null,
                    failed is null ? "cancelled" : failed.State is StageState.Skipped ? failed.Summary : $"{failed.Stage} {Words(failed.State)}");
            }
            else
            {
                await slots.WaitAsync(CancellationToken.None);
                try
                {
                    (end, key) = await runner.Run(stage, request.Force, Tell, cancel);
                }
                finally
                {
                    slots.Release();
                }
            }
            if (end.State != StageState.Ran) unwritten.Enqueue((end, key)); // what ran has been written, with its result
            Tell(new StageNews(end, null));
            return end;
        }
    }

    static string Words(StageState state) => state switch
    {
        StageState.NotPassed => "was not passed",
        StageState.Cancelled => "was cancelled",
        _ => "failed",
    };

    string RunLock => Path.Combine(folder.State, "run.lock");

    string LogsOf(RunId pipelineRun) => Path.Combine(folder.Runs, pipelineRun.Value);

    /// <summary>
    /// A run of a pipeline in this folder. A database of servers may have those of other folders, which live or die without us: a run is its folder's that has its logs.
    /// A file has those of its folder alone.
    /// </summary>
    bool IsOurs(RunDetail run) => database.Dialect == SqlDialect.Sqlite || Directory.Exists(LogsOf(run.Parent ?? run.Id));

    /// <summary>Ends runs whose process was killed, and takes away what they may have half written. Whoever calls it holds the folder's lock, so that none of its runs lives.</summary>
    async Task Recover()
    {
        foreach (var run in tracker.Unfinished().Where(IsOurs))
        {
            EndProcesses(run.Id);
            await database.Write(session => _table.Interrupt(session, run.Id, "the process was gone"));
            RemoveHalfWritten(run.Id);
            await database.Write(session =>
            {
                RunTable.End(session, run.Id, RunStatus.KILLED, time.GetUtcNow());
                session.Execute($"delete from lease where name = {LeasePrefix + run.Id}");
            });
        }
        foreach (var run in Vanished())
        {
            EndProcesses(run);
            RemoveHalfWritten(run);
            await database.Write(session => session.Execute($"delete from lease where name = {VanishedPrefix + run}"));
        }
    }

    /// <summary>Runs of this folder that another server has ended, to which this machine was gone.</summary>
    List<RunId> Vanished() => database.Dialect == SqlDialect.Sqlite ? []
        : [.. leases.RunOut(VanishedPrefix).Select(lease => new RunId(lease.Name[VanishedPrefix.Length..])).Where(run => Directory.Exists(LogsOf(run)))];

    void EndProcesses(RunId run)
    {
        var logs = LogsOf(run);
        if (!Directory.Exists(logs)) return;
        foreach (var log in Directory.GetFiles(logs).Where(f => f.EndsWith(".log", StringComparison.Ordinal) || f.EndsWith(".log" + LogTail.Raw, StringComparison.Ordinal)))
        {
            executor.EndLeftover(log);
            if (log.EndsWith(LogTail.Raw, StringComparison.Ordinal)) File.Delete(log); // unmasked; the log has what was masked of it
        }
    }

    void RemoveHalfWritten(RunId run)
    {
        foreach (var output in _table.HalfWritten(run)) Outputs.Remove(folder.Root, output);
    }

    async Task<FolderLock> TakeTurn(Action<string>? waiting, CancellationToken cancel)
    {
        var told = false;
        while (true)
        {
            if (FolderLock.TryTake(RunLock, $"process {Environment.ProcessId}", out var holder) is { } turn) return turn;
            if (!told) waiting?.Invoke(holder);
            told = true;
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancel);
        }
    }
}
