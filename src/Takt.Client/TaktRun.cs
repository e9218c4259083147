using System.Text.Json.Nodes;

namespace Takt.Client;

/// <summary>A run that goes on. Safe for concurrent use.</summary>
/// <remarks>
/// Params, tags and artifacts are durable when their call returns; metrics are when <see cref="Flush"/> or <see cref="End"/> returns. Metrics that could not be delivered make the next
/// <see cref="LogMetric"/>, <see cref="Flush"/> or <see cref="End"/> throw: nothing is dropped in silence.
/// </remarks>
public sealed class TaktRun : IAsyncDisposable
{
    const string Scheme = "mlflow-artifacts:/";
    const string Artifacts = "api/2.0/mlflow-artifacts/artifacts/";

    /// <summary>What the protocol takes in one log-batch.</summary>
    const int MostPairs = 100;

    readonly TaktClient _client;
    readonly MetricBuffer _metrics;
    readonly string _artifactUri;
    bool _ended;
    int _disposed;

    internal TaktRun(TaktClient client, string id, string artifactUri)
    {
        (_client, Id, _artifactUri) = (client, id, artifactUri);
        _metrics = new MetricBuffer(client, id);
    }

    /// <summary>32 hex digits.</summary>
    public string Id { get; }

    public Task LogParam(string key, string value, CancellationToken cancel = default) => LogParams(new Dictionary<string, string> { [key] = value }, cancel);

    /// <exception cref="TaktClientException">A param can't change: it has another value already.</exception>
    public Task LogParams(IReadOnlyDictionary<string, string> values, CancellationToken cancel = default) => Batches("params", values, cancel);

    public Task SetTag(string key, string value, CancellationToken cancel = default) => SetTags(new Dictionary<string, string> { [key] = value }, cancel);

    public Task SetTags(IReadOnlyDictionary<string, string> values, CancellationToken cancel = default) => Batches("tags", values, cancel);

    /// <summary>Buffers a point; waits only while the queue is full.</summary>
    /// <exception cref="TaktClientException">Points before it could not be delivered.</exception>
    public ValueTask LogMetric(string key, double value, long step = 0, CancellationToken cancel = default) => _metrics.Add(new MetricPoint(key, value, step, _client.Options.Time.GetUtcNow()), cancel);

    /// <inheritdoc cref="LogMetric(string, double, long, CancellationToken)"/>
    public ValueTask LogMetric(MetricPoint point, CancellationToken cancel = default) => _metrics.Add(point, cancel);

    /// <summary>Returns when every point that was logged before is durable on the server.</summary>
    public Task Flush(CancellationToken cancel = default) => _metrics.Flush(cancel);

    /// <summary>Says that the run read a dataset, for lineage.</summary>
    /// <param name="digest">Of Takt's data: the commit's id or its first digits; of any other: what tells versions apart, 36 characters at most.</param>
    /// <param name="source">Where it is from.</param>
    /// <param name="context">Such as <c>training</c>.</param>
    public async Task LogInput(string name, string digest, string source, string? context = null, CancellationToken cancel = default) => _ = await _client.Wire.Post(TaktClient.Api + "runs/log-inputs", new JsonObject
    {
        ["run_id"] = Id,
        ["datasets"] = new JsonArray(new JsonObject
        {
            ["tags"] = context is null ? [] : Wire.Pairs([new("mlflow.data.context", context)]),
            ["dataset"] = new JsonObject { ["name"] = name, ["digest"] = Short(digest), ["source_type"] = "local", ["source"] = new JsonObject { ["uri"] = source }.ToJsonString() },
        }),
    }, cancel).ConfigureAwait(false);

    /// <summary>Uploads what the stream holds, as it is read; memory stays small whatever its length.</summary>
    /// <param name="path">Within the run, with <c>/</c>; what is there already is replaced.</param>
    /// <param name="content">Repeated after a fault only when it can seek.</param>
    /// <exception cref="NotSupportedException">The run's artifacts are not on the server.</exception>
    public async Task Upload(string path, Stream content, CancellationToken cancel = default)
    {
        var start = content.CanSeek ? content.Position : 0;
        using var answer = await _client.Wire.Send(HttpMethod.Put, Artifacts + Root() + Wire.Path(path), () =>
        {
            if (content.CanSeek) content.Position = start;
            return new StreamContent(new KeptOpen(content));
        }, null, cancel, repeat: content.CanSeek).ConfigureAwait(false);
    }

    public async Task UploadFile(string path, string file, CancellationToken cancel = default)
    {
        await using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
        await Upload(path, content, cancel).ConfigureAwait(false);
    }

    /// <summary>Every file below a folder, below <paramref name="path"/>.</summary>
    public async Task UploadFolder(string path, string folder, CancellationToken cancel = default)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            await UploadFile($"{path.TrimEnd('/')}/{System.IO.Path.GetRelativePath(folder, file).Replace('\\', '/')}", file, cancel).ConfigureAwait(false);
    }

    /// <summary>The artifact as it arrives; the caller disposes it.</summary>
    public async Task<Stream> Open(string path, CancellationToken cancel = default)
    {
        var answer = await _client.Wire.Send(HttpMethod.Get, Artifacts + Root() + Wire.Path(path), () => null, null, cancel).ConfigureAwait(false);
        return await answer.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>What is directly in a folder of the run; empty path: at its top.</summary>
    public async Task<IReadOnlyList<ArtifactInfo>> List(string path = "", CancellationToken cancel = default)
    {
        var answer = await _client.Wire.Get($"{TaktClient.Api}artifacts/list?run_id={Wire.Query(Id)}&path={Wire.Query(path)}", cancel).ConfigureAwait(false);
        return [.. (answer["files"] as JsonArray ?? []).OfType<JsonObject>().Select(f => new ArtifactInfo(Wire.Text(f, "path"), f["is_dir"]?.GetValue<bool>() == true ? null : Wire.Whole(f, "file_size")))];
    }

    /// <summary>Makes a logged model of this run from a folder in MLflow's <c>MLmodel</c> format (or any files).</summary>
    public async Task<LoggedModelInfo> LogModel(string name, string folder, CancellationToken cancel = default)
    {
        var run = await _client.GetRun(Id, cancel).ConfigureAwait(false);
        var key = Guid.NewGuid().ToString("N");
        var model = (JsonObject)(await _client.Make("logged-models", new JsonObject { ["experiment_id"] = run.ExperimentId, ["name"] = name, ["source_run_id"] = Id, ["tags"] = Wire.Pairs([new("takt.client.key", key)]) }, async () =>
        {
            var found = await _client.Wire.Post(TaktClient.Api + "logged-models/search", new JsonObject { ["experiment_ids"] = new JsonArray(run.ExperimentId), ["filter"] = $"tags.`takt.client.key` = '{key}'", ["max_results"] = 1 }, cancel).ConfigureAwait(false);
            return found["models"] is JsonArray { Count: > 0 } models ? new JsonObject { ["model"] = models[0]!.DeepClone() } : null;
        }, cancel).ConfigureAwait(false))["model"]!["info"]!;
        var logged = new LoggedModelInfo(Wire.Text(model, "model_id"), name, Wire.Text(model, "artifact_uri"));
        var root = OnServer(logged.ArtifactUri);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var path = Wire.Path(System.IO.Path.GetRelativePath(folder, file).Replace('\\', '/'));
            using var answer = await _client.Wire.Send(HttpMethod.Put, Artifacts + root + path, () => new StreamContent(File.OpenRead(file)), null, cancel).ConfigureAwait(false);
        }
        _ = await _client.Wire.Patch($"{TaktClient.Api}logged-models/{logged.Id}", new JsonObject { ["model_id"] = logged.Id, ["status"] = "LOGGED_MODEL_READY" }, cancel).ConfigureAwait(false);
        _ = await _client.Wire.Post(TaktClient.Api + "runs/outputs", new JsonObject { ["run_id"] = Id, ["models"] = new JsonArray(new JsonObject { ["model_id"] = logged.Id, ["step"] = 0 }) }, cancel).ConfigureAwait(false);
        return logged;
    }

    /// <summary>Sends what is buffered, then ends the run.</summary>
    public async Task End(RunEnd status = RunEnd.Finished, CancellationToken cancel = default)
    {
        await Flush(cancel).ConfigureAwait(false);
        _ = await _client.Wire.Post(TaktClient.Api + "runs/update", new JsonObject { ["run_id"] = Id, ["status"] = status.ToString().ToUpperInvariant(), ["end_time"] = _client.Options.Time.GetUtcNow().ToUnixTimeMilliseconds() }, cancel).ConfigureAwait(false);
        _ended = true;
    }

    /// <summary>Ends the run as failed unless it was told how it ended: an exception that left its block would otherwise look like success.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        try
        {
            if (!_ended) await End(RunEnd.Failed).ConfigureAwait(false);
        }
        catch (TaktClientException)
        {
            // whatever is thrown already matters more
        }
        await _metrics.DisposeAsync().ConfigureAwait(false);
    }

    async Task Batches(string member, IReadOnlyDictionary<string, string> values, CancellationToken cancel)
    {
        foreach (var some in values.Chunk(MostPairs))
            _ = await _client.Wire.Post(TaktClient.Api + "runs/log-batch", new JsonObject { ["run_id"] = Id, [member] = Wire.Pairs(some) }, cancel).ConfigureAwait(false);
    }

    string Root() => OnServer(_artifactUri);

    static string OnServer(string uri) => uri.StartsWith(Scheme, StringComparison.Ordinal) ? Wire.Path(uri[Scheme.Length..].Trim('/')) + "/"
        : throw new NotSupportedException($"the artifacts are at {uri}, not on the server");

    static string Short(string digest) => digest.StartsWith("sha256:", StringComparison.Ordinal) ? digest[7..Math.Min(digest.Length, 43)] : digest;
}
