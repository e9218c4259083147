using System.Collections.Concurrent;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>One stage: make its key, and skip, restore or run it.</summary>
sealed class StageRunner(
    Project project, StageGraph graph, RunId pipelineRun, string? code, TaktFolder folder, IBlobStore blobs, RunTracker tracker, StageTable table,
    FileDigests digests, IExecutor executor, TimeProvider time)
{
    readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, string>> _tags = new();
    readonly Lazy<LockFile> _lock = new(() => LockFile.Read(folder));

    public async Task<(StageRun End, StageKey? Key)> Run(Stage stage, bool force, Action<StageNews> tell, CancellationToken cancel)
    {
        var start = time.GetUtcNow();
        StageRun State(StageState state, StageKey? key, string summary, RunId? run = null) =>
            new(pipelineRun, stage.Name, state, key?.Id.ToString(), run, start, state == StageState.Running ? null : time.GetUtcNow(), summary);

        StageKey? key = null;
        RunId? run = null;
        try
        {
            key = await Key(stage, cancel);
            var known = force ? null : table.Find(key.Id);
            var locked = force || known is not null ? null : _lock.Value.Find(stage, key);
            known ??= locked;
            if (known is not null && stage.Kind is { } kind && !await kind.StillHolds(Context(stage, default, TextWriter.Null), known.Tags, cancel)) known = null;
            if (known is not null)
            {
                _tags[stage.Name] = known.Tags;
                var state = Outputs.InPlace(folder.Root, stage, known, digests) ? StageState.Cached : await Outputs.Restore(folder.Root, stage, known, blobs, cancel) ? StageState.Restored : (StageState?)null;
                if (state is { } held)
                {
                    if (locked is not null)
                    {
                        _ = await Outputs.Keep(folder.Root, stage, blobs, digests, cancel); // from now on they can be restored here
                        await table.Adopt(locked, key);
                    }
                    return (State(held, key, known.Summary), key);
                }
            }
            run = await tracker.Start(new StartRun(project.Name, stage.Name, pipelineRun, StageTags(stage)));
            var running = State(StageState.Running, key, "", run);
            await table.Begin(running, stage.AllOutputs);
            tell(new StageNews(running, null));
            var result = await Execute(stage, key, run.Value, line => tell(new StageNews(running, line)), cancel);
            _tags[stage.Name] = result.Tags;
            var end = State(StageState.Ran, key, result.Summary, run);
            await table.Finish(result, key, end);
            await tracker.End(run.Value, RunStatus.FINISHED);
            return (end, key);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            var cancelled = cancel.IsCancellationRequested;
            if (run is { } begun)
            {
                // half an output is none; the log tells what went on
                foreach (var output in stage.AllOutputs) Outputs.Remove(folder.Root, output);
                if (e is GateNotPassedException) await tracker.SetTags(begun, new Dictionary<string, string> { [PipelineRunner.RefusedTag] = $"{stage.Name}: {e.Message}" });
                await tracker.End(begun, cancelled ? RunStatus.KILLED : RunStatus.FAILED);
            }
            var state = cancelled ? StageState.Cancelled : e is GateNotPassedException ? StageState.NotPassed : StageState.Failed;
            return (State(state, key, cancelled ? "cancelled" : Foreseen(e) ? StorageFaults.InWords(e) : $"a bug in Takt: {e.GetType().Name}: {e.Message}", run), null);
        }
    }

    /// <summary>Reads every input; also for <c>takt why</c>.</summary>
    public async Task<StageKey> Key(Stage stage, CancellationToken cancel)
    {
        var inputs = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in stage.In)
        {
            var files = PathPattern.Files(folder.Root, path);
            if (files.Count == 0) throw TaktException.NotFound($"{stage.Name} reads {path}, which is not there");
            foreach (var file in files)
                inputs[file] = digests.Of(Path.Combine(folder.Root, file)) ?? throw TaktException.NotFound($"{file} vanished while it was read");
        }
        var facts = stage.Kind is { } kind ? await kind.Facts(Context(stage, default, TextWriter.Null), cancel) : new Dictionary<string, string>();
        return StageKey.Of(stage, inputs, facts);
    }

    /// <summary>Whether the stage is up to date, and if not, what has changed since it last ran.</summary>
    public async Task<StageReason> Reason(Stage stage, CancellationToken cancel)
    {
        StageKey key;
        try
        {
            key = await Key(stage, cancel);
        }
        catch (TaktException e)
        {
            return new StageReason(stage.Name, false, e.Message, null, []);
        }
        var id = key.Id.ToString();
        if ((table.Find(key.Id) ?? _lock.Value.Find(stage, key)) is { } known)
        {
            if (stage.Kind is { } kind && !await kind.StillHolds(Context(stage, default, TextWriter.Null), known.Tags, cancel))
                return new StageReason(stage.Name, false, "what it did has been changed since", id, []);
            return Outputs.InPlace(folder.Root, stage, known, digests)
                ? new StageReason(stage.Name, true, "nothing that it depends on has changed", id, [])
                : new StageReason(stage.Name, false, "its outputs are missing or were changed; they will be restored from the store", id, []);
        }
        // with the same key it would end the same way
        if (table.Newest(stage.Name) is { State: StageState.NotPassed or StageState.Failed } last && last.Key == id)
            return new StageReason(stage.Name, false, $"{(last.State == StageState.Failed ? "it failed when it last ran" : "refused when it last ran")}: {last.Summary}", id, []);
        if (table.LastParts(stage.Name) is not { } before) return new StageReason(stage.Name, false, "it has not run yet", id, []);
        var changes = before.Keys.Union(key.Parts.Keys).Order(StringComparer.Ordinal)
            .Select(part => new PartChange(part, before.GetValueOrDefault(part), key.Parts.GetValueOrDefault(part)))
            .Where(c => c.Before != c.Now).ToList();
        var words = PartChange.Words(changes, key.Parts.GetValueOrDefault("fact:dataset")).ToList();
        return new StageReason(stage.Name, false, changes.Count == 0 ? "it did not finish when it last ran" : $"changed: {string.Join(", ", words.Take(3))}{(words.Count > 3 ? $" and {words.Count - 3} more" : "")}", id, changes);
    }

    async Task<StageResult> Execute(Stage stage, StageKey key, RunId run, Action<string> line, CancellationToken cancel)
    {
        foreach (var output in stage.AllOutputs)
        {
            Outputs.Remove(folder.Root, output);
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(Path.Combine(folder.Root, output.TrimEnd('/'))))!);
        }
        if (stage.Params.Count > 0) await tracker.LogParams(run, stage.Params);
        var outcome = stage.Kind is { } kind ? await RunStep(kind, stage, run, line, cancel) : await RunCommand(stage, run, line, cancel);
        var files = await Outputs.Keep(folder.Root, stage, blobs, digests, cancel);
        var metrics = new Dictionary<string, double>(outcome.Metrics);
        foreach (var path in stage.Metrics) MetricsFile.Read(Path.Combine(folder.Root, path), path, metrics);
        if (metrics.Count > 0) await tracker.LogMetrics(run, metrics);
        if (outcome.Tags.Count > 0) await tracker.SetTags(run, outcome.Tags);
        return new StageResult(key.Id, stage.Name, files, metrics, outcome.Tags, outcome.Summary);
    }

    async Task<StepOutcome> RunStep(IStepKind kind, Stage stage, RunId run, Action<string> line, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (stage.Timeout is { } most) limit.CancelAfter(most);
        await using var log = new StageLog(LogOf(stage), line);
        try
        {
            return await kind.Run(Context(stage, run, log), limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new TaktException(TaktError.Cancelled, $"it ran over its timeout of {stage.Timeout}");
        }
        catch (Exception e)
        {
            await log.WriteLineAsync(Foreseen(e) ? StorageFaults.InWords(e) : e.ToString());
            throw;
        }
    }

    static bool Foreseen(Exception e) => e is TaktException or GateNotPassedException or IOException or UnauthorizedAccessException or OperationCanceledException;

    async Task<StepOutcome> RunCommand(Stage stage, RunId run, Action<string> line, CancellationToken cancel)
    {
        var env = new Dictionary<string, string>(stage.Env)
        {
            ["TAKT_STAGE"] = stage.Name,
            ["TAKT_RUN_ID"] = run.Value,
            ["MLFLOW_RUN_ID"] = run.Value,
        };
        var command = stage.Command!;
        var secrets = new List<string>();
        foreach (var name in stage.Secrets)
        {
            var value = Environment.GetEnvironmentVariable("TAKT_SECRET_" + name);
            if (string.IsNullOrEmpty(value)) throw TaktException.Invalid($"the secret {name} has no value: set TAKT_SECRET_{name}");
            if (value.Length < 4) throw TaktException.Invalid($"the secret {name} has fewer than 4 characters: it could not be masked in logs");
            env["TAKT_SECRET_" + name] = value;
            secrets.Add(value);
            // the shell puts it in: argv, which any process can read, holds the name only
            command = command.Replace($"${{secrets.{name}}}", $"${{TAKT_SECRET_{name}}}", StringComparison.Ordinal);
        }
        var log = LogOf(stage);
        await using var tail = new LogTail(log, secrets, line);
        var exit = await executor.Run(new CommandRun(command, folder.Root, env, tail.Written, stage.Timeout), cancel);
        await tail.Finish();
        if (exit != 0)
        {
            var last = tail.Last.Length > 0 ? $": {tail.Last}" : "";
            throw new TaktException(TaktError.Invalid, $"exit code {exit}{last} (log: {Path.GetRelativePath(folder.Root, log)})");
        }
        return new StepOutcome(stage.Out.Count > 0 ? string.Join(", ", stage.Out) : "done");
    }

    StepContext Context(Stage stage, RunId run, TextWriter log) => new()
    {
        Stage = stage.Name,
        Folder = folder.Root,
        Project = project.Name,
        With = stage.With!,
        In = stage.In,
        Lineage = Before(stage.Name).Where(_tags.ContainsKey).SelectMany(name => _tags[name]).ToList(),
        Run = run,
        PipelineRun = pipelineRun,
        CodeCommit = code,
        Log = log,
    };

    /// <summary>All stages that lead to this one.</summary>
    HashSet<string> Before(string stage)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        var queue = new Queue<string>(graph.Upstream[stage]);
        while (queue.TryDequeue(out var name))
            if (found.Add(name))
                foreach (var need in graph.Upstream[name]) queue.Enqueue(need);
        return found;
    }

    string LogOf(Stage stage)
    {
        var path = Path.Combine(folder.Runs, pipelineRun.Value, stage.Name + ".log");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    static Dictionary<string, string> StageTags(Stage stage) => new()
    {
        [PipelineRunner.KindTag] = "stage",
        ["takt.stage"] = stage.Name,
        ["takt.uses"] = stage.Kind is { } kind ? $"takt/{kind.Name}@{kind.Version}" : "run",
    };
}
