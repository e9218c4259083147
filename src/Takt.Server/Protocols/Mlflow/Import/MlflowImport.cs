using Takt.Models.Import;
using Takt.Runs;
using Takt.Runs.Import;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary>Copies a whole tracking server, or the folder of a file store, into this Takt.</summary>
/// <remarks>Run again, it goes on: what was copied is remembered in the transaction that wrote it. A run that had not ended is copied again.</remarks>
public sealed class MlflowImport(TaktApp app)
{
    /// <param name="source">An http address, a folder, or a <c>file://</c> address.</param>
    /// <param name="into">The workspace that it is copied into; null: the default one.</param>
    /// <param name="fromWorkspace">Of a server: the workspace that is copied; null: what it takes for the default one.</param>
    /// <param name="tell">Told now and then what has been done so far; called from several threads, one call at a time.</param>
    /// <exception cref="TaktException">NotFound: no such folder. Unavailable: no server answers. Invalid: neither.</exception>
    public async Task<ImportSummary> Run(string source, bool dry, Action<ImportSummary, string> tell, CancellationToken cancel, string? into = null, string? fromWorkspace = null)
    {
        Workspace workspace;
        try
        {
            workspace = app.Workspaces.Require(into);
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            throw TaktException.NotFound($"there is no workspace '{into}' here to copy into: make it first, by POST /api/3.0/mlflow/workspaces with {{\"name\": \"{into}\"}} on this server, or leave --workspace out");
        }
        using var from = Open(source, fromWorkspace);
        var summary = new ImportSummary { Source = from.Name };
        // what was copied into another workspace is another copy
        var name = workspace.IsDefault ? from.Name : $"{from.Name} into {workspace}";
        var runs = new RunImport(app.Database, app.Blobs, app.Time, name, workspace);
        var models = new ModelImport(app.Database, app.Time, name, workspace);
        var traces = new TraceLog(app.Database, app.Time, workspace, deleted: true);
        if (!dry) await app.Experiments.In(workspace).EnsureDefault();
        var turn = new Lock();
        await foreach (var experiment in from.Experiments(cancel))
        {
            var place = await runs.Put(experiment, dry);
            summary.Experiments++;
            if (place.Name != experiment.Name) summary.Renamed[$"experiment {experiment.Name}"] = place.Name;
            tell(summary, $"experiment {experiment.Name}");
            var options = new ParallelOptions { MaxDegreeOfParallelism = from.AtOnce, CancellationToken = cancel };
            var ids = new List<string>();
            await Parallel.ForEachAsync(from.Runs(experiment, cancel), options, async (run, stop) =>
            {
                lock (turn) ids.Add(run.Id);
                await One($"run {run.Id} of {experiment.Name}", () => CopyRun(experiment, place, run, stop));
            });
            await Parallel.ForEachAsync(from.LoggedModels(experiment, cancel), options, async (model, stop) => await One($"logged model {model.Id} of {experiment.Name}", () => CopyModel(experiment, place, model, stop)));
            var traced = 0;
            await Parallel.ForEachAsync(from.Traces(experiment, cancel), options, async (trace, stop) =>
            {
                Interlocked.Increment(ref traced);
                await One($"trace {trace.Info.Id} of {experiment.Name}", () => CopyTrace(experiment, place, trace, stop));
            });
            if (traced > 0 && !dry)
                await Parallel.ForEachAsync(ids, options, async (run, stop) => await One($"traces linked to run {run} of {experiment.Name}", () => CopyLinks(experiment, run, stop)));
        }
        await foreach (var model in from.Models(cancel))
            await One($"registered model {model.Name}", async () =>
            {
                var place = await models.Put(model, summary.Faults, dry);
                lock (turn)
                {
                    summary.Models++;
                    summary.Versions += model.Versions.Count;
                    if (place.Name != model.Name) summary.Renamed[$"model {model.Name}"] = place.Name;
                    tell(summary, $"model {model.Name}");
                }
            });
        return summary;

        // one that can't be copied holds up no other
        async Task One(string what, Func<Task> copy)
        {
            try
            {
                await copy();
            }
            catch (Exception e) when (e is TaktException or IOException or UnauthorizedAccessException && !cancel.IsCancellationRequested)
            {
                lock (turn) summary.Faults.Add($"{what}: {e.Message}");
            }
        }

        async Task CopyRun(ImportedExperiment experiment, ImportTarget place, ImportedRun run, CancellationToken stop)
        {
            if (runs.Has(run))
            {
                lock (turn) summary.RunsThere++;
                return;
            }
            var points = new Dictionary<string, List<MetricValue>>(StringComparer.Ordinal);
            List<Artifact>? files = null;
            if (!dry)
            {
                foreach (var metric in run.Metrics) points[metric] = await from.Points(experiment, run, metric, stop);
                files = from.Artifacts(experiment, run, stop) is { } artifacts ? await runs.Store(artifacts, stop) : null;
                await runs.Put(run, place.Id, points, files);
            }
            lock (turn)
            {
                summary.Runs++;
                summary.Points += points.Values.Sum(p => (long)p.Count);
                Count(files);
                tell(summary, $"experiment {experiment.Name}");
            }
        }

        async Task CopyModel(ImportedExperiment experiment, ImportTarget place, ImportedLoggedModel model, CancellationToken stop)
        {
            if (runs.Has(model)) return;
            List<Artifact>? files = null;
            if (!dry)
            {
                files = from.Artifacts(experiment, model, stop) is { } artifacts ? await runs.Store(artifacts, stop) : null;
                await runs.Put(model, place.Id, files);
            }
            lock (turn)
            {
                summary.LoggedModels++;
                Count(files);
                tell(summary, $"logged models of {experiment.Name}");
            }
        }

        async Task CopyTrace(ImportedExperiment experiment, ImportTarget place, ImportedTrace trace, CancellationToken stop)
        {
            if (runs.Has(trace)) return;
            List<NewSpan> spans = [];
            if (!dry)
            {
                var (info, id) = (trace.Info, long.Parse(place.Id));
                spans = await from.Spans(experiment, trace, stop) is { } json ? TraceReader.Spans(json, info.Id) : [];
                if (spans.Count > 0) await traces.AddSpans(id, spans);
                // last, for it has the last word on times, state and previews
                await traces.Start(new TraceInfo
                {
                    Id = info.Id,
                    Experiment = id,
                    ClientRequest = info.ClientRequest,
                    RequestPreview = info.RequestPreview,
                    ResponsePreview = info.ResponsePreview,
                    Started = info.Started,
                    Duration = info.Duration,
                    State = info.State,
                    Metadata = info.Metadata,
                    Tags = info.Tags,
                    Assessments = info.Assessments,
                });
                await runs.Done(trace);
            }
            lock (turn)
            {
                summary.Traces++;
                summary.Spans += spans.Count;
                summary.Assessments += trace.Info.Assessments.Count;
                tell(summary, $"traces of {experiment.Name}");
            }
        }

        async Task CopyLinks(ImportedExperiment experiment, string run, CancellationToken stop)
        {
            var linked = new List<string>();
            await foreach (var trace in from.Linked(experiment, run, stop)) linked.Add(trace);
            foreach (var some in linked.Chunk(TraceLog.MostLinks)) await traces.LinkToRun(some, run);
            lock (turn) summary.Links += linked.Count;
        }

        void Count(List<Artifact>? files)
        {
            if (files is null && !dry) summary.ArtifactsLeft++;
            summary.Artifacts += files?.Count ?? 0;
            summary.Bytes += files?.Sum(f => f.Size) ?? 0;
        }
    }

    static IMlflowSource Open(string source, string? workspace)
    {
        if (Uri.TryCreate(source, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https") return new MlflowServerSource(uri, workspace);
        if (workspace is not null) throw TaktException.Invalid($"'{source}' is a folder, which has no workspaces; only a server has");
        var path = uri is { IsFile: true } ? uri.LocalPath : source;
        if (path.Contains("://", StringComparison.Ordinal)) throw TaktException.Invalid($"'{source}' is neither the http address of a tracking server nor a folder; of a database, import from the server that runs on it");
        if (!Directory.Exists(path)) throw TaktException.NotFound($"no folder '{path}': give an mlruns folder, or the http address of a tracking server");
        return new MlrunsFolderSource(Path.GetFullPath(path));
    }
}
