using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.Models;
using Takt.Models.Import;
using Takt.Runs;
using Takt.Runs.Import;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary>The folder of MLflow's file store (<c>mlruns/</c>): a folder for each experiment, in it one for each run; a file for each param, tag and metric.</summary>
sealed class MlrunsFolderSource : IMlflowSource
{
    static readonly RunStatus[] Statuses = [RunStatus.RUNNING, RunStatus.RUNNING, RunStatus.SCHEDULED, RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED]; // by its number in meta.yaml
    static readonly string[] ModelStatuses = ["LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"];
    static readonly string[] NotRuns = ["tags", "datasets", "traces", "models"];

    const string TraceFile = "trace_info.yaml";

    readonly string _root;

    /// <exception cref="TaktException">Invalid: it holds no experiment.</exception>
    public MlrunsFolderSource(string root)
    {
        _root = root;
        if (!ExperimentFolders().Any() && !Directory.Exists(Path.Combine(root, "models")))
            throw TaktException.Invalid($"{root} is no mlruns folder: no folder in it has a {MetaFile.Name} of an experiment");
    }

    public string Name => _root;

    public int AtOnce => Math.Max(2, Environment.ProcessorCount);

    IEnumerable<string> ExperimentFolders() => Folders(_root).Concat(Folders(Path.Combine(_root, ".trash"))).Where(f => Path.GetFileName(f) is not ("models" or ".trash") && MetaFile.In(f));

    public async IAsyncEnumerable<ImportedExperiment> Experiments([EnumeratorCancellation] CancellationToken cancel)
    {
        await Task.CompletedTask;
        foreach (var folder in ExperimentFolders())
        {
            cancel.ThrowIfCancellationRequested();
            var meta = MetaFile.Read(folder);
            var created = meta.Number("creation_time") ?? new DateTimeOffset(Directory.GetCreationTimeUtc(folder)).ToUnixTimeMilliseconds();
            yield return new ImportedExperiment(meta.Text("experiment_id") ?? Path.GetFileName(folder), meta.Text("name") ?? Path.GetFileName(folder), meta.Text("lifecycle_stage") == "deleted",
                Time(created), Time(meta.Number("last_update_time") ?? created), Texts(Path.Combine(folder, "tags")));
        }
    }

    public async IAsyncEnumerable<ImportedRun> Runs(ImportedExperiment experiment, [EnumeratorCancellation] CancellationToken cancel)
    {
        await Task.CompletedTask;
        var home = Home(experiment);
        foreach (var folder in Folders(home).Where(f => !NotRuns.Contains(Path.GetFileName(f)) && MetaFile.In(f)))
        {
            cancel.ThrowIfCancellationRequested();
            var meta = MetaFile.Read(folder);
            var tags = Texts(Path.Combine(folder, "tags"));
            yield return new ImportedRun(meta.Text("run_id") ?? Path.GetFileName(folder), meta.Text("run_name") is { Length: > 0 } name ? name : tags.LastOrDefault(t => t.Key == "mlflow.runName").Value ?? "",
                meta.Text("user_id") ?? "", Statuses[Math.Clamp(meta.Number("status") ?? 1, 0, Statuses.Length - 1)], meta.Text("lifecycle_stage") == "deleted", meta.Number("start_time") ?? 0, meta.Number("end_time"),
                meta.Text("artifact_uri") ?? "", [.. Files(Path.Combine(folder, "metrics")).Select(f => f.Name)], Texts(Path.Combine(folder, "params")), tags, [.. Inputs(home, folder)],
                [.. Folders(Path.Combine(folder, "inputs")).Where(MetaFile.In).Select(MetaFile.Read).Where(i => i.Text("destination_type") == "MODEL_INPUT").Select(i => i.Text("destination_id") ?? "")],
                [.. Folders(Path.Combine(folder, "outputs")).Where(MetaFile.In).Select(MetaFile.Read).Select(o => new RunOutput(o.Text("destination_id") ?? "", o.Number("step") ?? 0))]);
        }
    }

    public async Task<List<MetricValue>> Points(ImportedExperiment experiment, ImportedRun run, string metric, CancellationToken cancel)
    {
        var points = new List<MetricValue>();
        var file = Path.Combine(Home(experiment), run.Id, "metrics", metric);
        await foreach (var line in File.ReadLinesAsync(file, cancel))
        {
            if (line.Length == 0) continue;
            // time value [step [dataset …]]
            var parts = line.Split(' ');
            if (parts.Length < 2 || !long.TryParse(parts[0], out var time) || !TryNumber(parts[1], out var value) || !long.TryParse(parts.Length > 2 ? parts[2] : "0", out var step))
                throw TaktException.Invalid($"{file}: '{line}' is no point of a metric: time, value and step are expected");
            points.Add(new MetricValue(metric, value, step, Time(time)));
        }
        return points;
    }

    public IAsyncEnumerable<ImportedFile>? Artifacts(ImportedExperiment experiment, ImportedRun run, CancellationToken cancel) =>
        Artifacts(run.ArtifactUri, Path.Combine(Home(experiment), run.Id, "artifacts"));

    public async IAsyncEnumerable<ImportedLoggedModel> LoggedModels(ImportedExperiment experiment, [EnumeratorCancellation] CancellationToken cancel)
    {
        await Task.CompletedTask;
        foreach (var folder in Folders(Path.Combine(Home(experiment), "models")).Where(MetaFile.In))
        {
            cancel.ThrowIfCancellationRequested();
            var meta = MetaFile.Read(folder);
            if (meta.Text("lifecycle_stage") == "deleted") continue;
            var created = Time(meta.Number("creation_timestamp") ?? 0);
            yield return new ImportedLoggedModel(meta.Text("model_id") ?? Path.GetFileName(folder), meta.Text("name") ?? "", meta.Text("model_type") ?? "", meta.Text("source_run_id"),
                ModelStatuses[Math.Clamp(meta.Number("status") ?? 0, 0, ModelStatuses.Length - 1)], created, meta.Number("last_updated_timestamp") is { } updated ? Time(updated) : created,
                meta.Text("artifact_location") ?? "", Texts(Path.Combine(folder, "params")), Texts(Path.Combine(folder, "tags")));
        }
    }

    public IAsyncEnumerable<ImportedFile>? Artifacts(ImportedExperiment experiment, ImportedLoggedModel model, CancellationToken cancel) =>
        Artifacts(model.ArtifactUri, Path.Combine(Home(experiment), "models", model.Id, "artifacts"));

    // a file store keeps no links
    public IAsyncEnumerable<string> Linked(ImportedExperiment experiment, string run, CancellationToken cancel) => AsyncEnumerable.Empty<string>();

    public async IAsyncEnumerable<ImportedTrace> Traces(ImportedExperiment experiment, [EnumeratorCancellation] CancellationToken cancel)
    {
        await Task.CompletedTask;
        foreach (var folder in Folders(Path.Combine(Home(experiment), "traces")).Where(f => MetaFile.In(f, TraceFile)))
        {
            cancel.ThrowIfCancellationRequested();
            var trace = MetaFile.Read(folder, TraceFile).Json();
            trace["trace_metadata"] = Texts(Path.Combine(folder, "request_metadata"));
            trace["tags"] = Texts(Path.Combine(folder, "tags"));
            var assessments = Path.Combine(folder, "assessments");
            if (Directory.Exists(assessments))
                trace["assessments"] = new JsonArray([.. Directory.EnumerateFiles(assessments, "*.yaml").Order(StringComparer.Ordinal).Select(f => (JsonNode)MetaFile.Read(assessments, Path.GetFileName(f)).Json())]);
            yield return new ImportedTrace(TraceReader.Info(MlflowRequest.Of(JsonSerializer.SerializeToElement(trace))));
        }

        static JsonObject Texts(string of) => new(MlrunsFolderSource.Texts(of).Select(t => KeyValuePair.Create(t.Key, (JsonNode?)t.Value)));
    }

    public async Task<JsonElement?> Spans(ImportedExperiment experiment, ImportedTrace trace, CancellationToken cancel)
    {
        const string Name = "traces.json";
        if (Artifacts(trace.Info.Tag(Takt.Runs.Traces.TraceKeys.ArtifactLocation) ?? "", Path.Combine(Home(experiment), "traces", trace.Info.Id, "artifacts")) is not { } files) return null;
        await foreach (var file in files.WithCancellation(cancel))
        {
            if (file.Path != Name) continue;
            await using var content = await file.Open(cancel);
            try
            {
                using var json = await JsonDocument.ParseAsync(content, cancellationToken: cancel);
                return json.RootElement.Clone();
            }
            catch (JsonException e)
            {
                throw new TaktException(TaktError.Invalid, $"{Name} of the trace {trace.Info.Id} is damaged: {e.Message}", e);
            }
        }
        return null;
    }

    public async IAsyncEnumerable<ImportedModel> Models([EnumeratorCancellation] CancellationToken cancel)
    {
        await Task.CompletedTask;
        foreach (var folder in Folders(Path.Combine(_root, "models")).Where(MetaFile.In))
        {
            cancel.ThrowIfCancellationRequested();
            var meta = MetaFile.Read(folder);
            var created = Time(meta.Number("creation_timestamp") ?? 0);
            var versions = Folders(folder).Where(f => Path.GetFileName(f).StartsWith("version-", StringComparison.Ordinal) && MetaFile.In(f)).Select(Version).OfType<RegisteredVersion>().ToList();
            yield return new ImportedModel(meta.Text("name") ?? Path.GetFileName(folder), meta.Text("description") ?? "", created, Time(meta.Number("last_updated_timestamp") ?? created.ToUnixTimeMilliseconds()),
                Texts(Path.Combine(folder, "tags")), [.. Texts(Path.Combine(folder, "aliases")).Select(a => KeyValuePair.Create(a.Key, long.Parse(a.Value, CultureInfo.InvariantCulture)))], versions);
        }
    }

    /// <summary>Null for one that was deleted: the store keeps its folder.</summary>
    static RegisteredVersion? Version(string folder)
    {
        var meta = MetaFile.Read(folder);
        if (meta.Text("current_stage") == "Deleted_Internal" || meta.Number("version") is not { } number) return null;
        var created = Time(meta.Number("creation_timestamp") ?? 0);
        return new RegisteredVersion(meta.Text("name") ?? "", number, created, Time(meta.Number("last_updated_timestamp") ?? created.ToUnixTimeMilliseconds()), meta.Text("current_stage") ?? "None",
            meta.Text("description") ?? "", meta.Text("source") ?? "", meta.Text("run_id") ?? "", meta.Text("status") ?? "READY", Texts(Path.Combine(folder, "tags")), []);
    }

    static IEnumerable<RunInput> Inputs(string experiment, string run)
    {
        foreach (var folder in Folders(Path.Combine(run, "inputs")).Where(MetaFile.In))
        {
            var input = MetaFile.Read(folder);
            var dataset = Path.Combine(experiment, "datasets", input.Text("source_id") ?? "");
            if (input.Text("source_type") != "DATASET" || !MetaFile.In(dataset)) continue;
            var meta = MetaFile.Read(dataset);
            yield return new RunInput(meta.Text("name") ?? "", meta.Text("digest") ?? "", meta.Text("source_type") ?? "", meta.Text("source") ?? "", meta.Text("schema"), meta.Text("profile"), input.Map("tags"));
        }
    }

    /// <summary>Where the address says, when that is a folder here; else, when the store was moved, beside the run.</summary>
    static IAsyncEnumerable<ImportedFile>? Artifacts(string address, string beside)
    {
        var path = Uri.TryCreate(address, UriKind.Absolute, out var uri) ? uri.IsFile ? uri.LocalPath : null : address;
        if (path is not null && Directory.Exists(path)) return Below(path);
        return Directory.Exists(beside) && (path is not null || Directory.EnumerateFileSystemEntries(beside).Any()) ? Below(beside) : path is null ? null : Below(beside);

        static async IAsyncEnumerable<ImportedFile> Below(string folder)
        {
            await Task.CompletedTask;
            if (!Directory.Exists(folder)) yield break;
            foreach (var file in Files(folder))
                yield return new ImportedFile(file.Name, _ => Task.FromResult<Stream>(new FileStream(file.Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan)));
        }
    }

    string Home(ImportedExperiment experiment) => ((string[])[_root, Path.Combine(_root, ".trash")]).Select(at => Path.Combine(at, experiment.Id)).First(Directory.Exists);

    static List<KeyValuePair<string, string>> Texts(string folder) => [.. Files(folder).Select(f => KeyValuePair.Create(f.Name, File.ReadAllText(f.Path)))];

    /// <summary>A name with a <c>/</c> in it is a file in a folder.</summary>
    static IEnumerable<(string Name, string Path)> Files(string folder) => !Directory.Exists(folder) ? []
        : Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(f => (Path.GetRelativePath(folder, f).Replace('\\', '/'), f)).OrderBy(f => f.Item1, StringComparer.Ordinal);

    static IEnumerable<string> Folders(string folder) => Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal) : [];

    static bool TryNumber(string text, out double value)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)) return true;
        value = text.ToLowerInvariant() switch { "nan" => double.NaN, "inf" or "infinity" => double.PositiveInfinity, "-inf" or "-infinity" => double.NegativeInfinity, _ => 0 };
        return value != 0;
    }

    static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    public void Dispose()
    {
        // files are opened and closed one by one
    }
}
