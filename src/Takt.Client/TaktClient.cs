using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Takt.Client;

/// <summary>A Takt server: runs, the registry and endpoints. Safe for concurrent use; one for a process is enough.</summary>
public sealed class TaktClient : IDisposable
{
    internal const string Api = "api/2.0/mlflow/";

    /// <summary>Marks what a call made, so that its repetition finds it instead of making it twice.</summary>
    const string KeyTag = "takt.client.key";

    readonly HttpClient _http;
    readonly bool _own;

    /// <param name="address">Such as <c>http://127.0.0.1:5000</c>.</param>
    /// <exception cref="ArgumentException">It is no http address.</exception>
    public TaktClient(string address, TaktClientOptions? options = null)
        : this(Http(address), options) => _own = true;

    /// <param name="http">With a base address; stays the caller's to dispose.</param>
    public TaktClient(HttpClient http, TaktClientOptions? options = null)
    {
        _http = http;
        Options = options ?? new TaktClientOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.Attempts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.MetricQueue, 1);
        Wire = new Wire(http, Options);
    }

    internal Wire Wire { get; }

    internal TaktClientOptions Options { get; }

    /// <summary>The id of the experiment of this name, which is made when there is none.</summary>
    public async Task<string> Experiment(string name, CancellationToken cancel = default)
    {
        try
        {
            return Wire.Text((JsonObject)(await Wire.Get($"{Api}experiments/get-by-name?experiment_name={Wire.Query(name)}", cancel).ConfigureAwait(false))["experiment"]!, "experiment_id");
        }
        catch (TaktClientException e) when (e.Status == System.Net.HttpStatusCode.NotFound)
        {
            try
            {
                return Wire.Text(await Wire.Post(Api + "experiments/create", new JsonObject { ["name"] = name }, cancel).ConfigureAwait(false), "experiment_id");
            }
            catch (TaktClientException taken) when (taken.Code == "RESOURCE_ALREADY_EXISTS")
            {
                // somebody was faster, or our own first try was
                return Wire.Text((JsonObject)(await Wire.Get($"{Api}experiments/get-by-name?experiment_name={Wire.Query(name)}", cancel).ConfigureAwait(false))["experiment"]!, "experiment_id");
            }
        }
    }

    /// <summary>Begins a run. Dispose it when done; one that was not told to <see cref="TaktRun.End"/> by then has failed.</summary>
    /// <param name="name">Null: the server makes one up.</param>
    public async Task<TaktRun> StartRun(string experiment, string? name = null, IReadOnlyDictionary<string, string>? tags = null, CancellationToken cancel = default)
    {
        var id = await Experiment(experiment, cancel).ConfigureAwait(false);
        var key = Guid.NewGuid().ToString("N");
        var body = new JsonObject
        {
            ["experiment_id"] = id,
            ["start_time"] = Options.Time.GetUtcNow().ToUnixTimeMilliseconds(),
            ["tags"] = Wire.Pairs([.. tags ?? new Dictionary<string, string>(), new(KeyTag, key)]),
        };
        if (name is not null) body["run_name"] = name;
        var run = (JsonObject?)(await Make("runs/create", body, async () =>
        {
            var found = await Wire.Post(Api + "runs/search", new JsonObject { ["experiment_ids"] = new JsonArray(id), ["filter"] = $"tags.`{KeyTag}` = '{key}'", ["max_results"] = 1 }, cancel).ConfigureAwait(false);
            return found["runs"] is JsonArray { Count: > 0 } runs ? new JsonObject { ["run"] = runs[0]!.DeepClone() } : null;
        }, cancel).ConfigureAwait(false))["run"];
        return new TaktRun(this, Wire.Text((JsonObject)run!["info"]!, "run_id"), Wire.Text((JsonObject)run["info"]!, "artifact_uri"));
    }

    /// <summary>Goes on with a run that is there, such as the one that Takt made for a stage (<c>TAKT_RUN_ID</c>).</summary>
    public async Task<TaktRun> ContinueRun(string id, CancellationToken cancel = default)
    {
        var info = (JsonObject)(await Wire.Get($"{Api}runs/get?run_id={Wire.Query(id)}", cancel).ConfigureAwait(false))["run"]!["info"]!;
        return new TaktRun(this, id, Wire.Text(info, "artifact_uri"));
    }

    public async Task<RunInfo> GetRun(string id, CancellationToken cancel = default) =>
        Read((JsonObject)(await Wire.Get($"{Api}runs/get?run_id={Wire.Query(id)}", cancel).ConfigureAwait(false))["run"]!);

    /// <summary>Runs that match, page by page as they are read.</summary>
    /// <param name="filter">MLflow's grammar: <c>metrics.auc > 0.9 and params.lr = '0.1'</c>; null: all.</param>
    /// <param name="orderBy">Such as <c>metrics.auc DESC</c>; null: the newest first.</param>
    public async IAsyncEnumerable<RunInfo> SearchRuns(string experiment, string? filter = null, string? orderBy = null, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        var id = await Experiment(experiment, cancel).ConfigureAwait(false);
        var token = "";
        do
        {
            var body = new JsonObject { ["experiment_ids"] = new JsonArray(id), ["max_results"] = 1000 };
            if (filter is not null) body["filter"] = filter;
            if (orderBy is not null) body["order_by"] = new JsonArray(orderBy);
            if (token.Length > 0) body["page_token"] = token;
            var page = await Wire.Post(Api + "runs/search", body, cancel).ConfigureAwait(false);
            foreach (var run in (page["runs"] as JsonArray ?? []).OfType<JsonObject>()) yield return Read(run);
            token = Wire.Text(page, "next_page_token");
        }
        while (token.Length > 0);
    }

    /// <summary>Every point of a metric.</summary>
    public async Task<IReadOnlyList<MetricPoint>> History(string run, string key, CancellationToken cancel = default)
    {
        var points = new List<MetricPoint>();
        var token = "";
        do
        {
            var page = await Wire.Get($"{Api}metrics/get-history?run_id={Wire.Query(run)}&metric_key={Wire.Query(key)}&max_results=25000{(token.Length > 0 ? "&page_token=" + Wire.Query(token) : "")}", cancel).ConfigureAwait(false);
            points.AddRange((page["metrics"] as JsonArray ?? []).OfType<JsonObject>()
                .Select(m => new MetricPoint(key, Wire.Number(m["value"]), Wire.Whole(m, "step"), DateTimeOffset.FromUnixTimeMilliseconds(Wire.Whole(m, "timestamp")))));
            token = Wire.Text(page, "next_page_token");
        }
        while (token.Length > 0);
        return points;
    }

    /// <summary>Makes a version of a registered model, and the model when it is not there.</summary>
    /// <param name="source"><c>runs:/RUN/PATH</c>, a logged model's <c>models:/m-…</c>, or any address.</param>
    public async Task<ModelVersionInfo> Register(string name, string source, string? run = null, IReadOnlyDictionary<string, string>? tags = null, CancellationToken cancel = default)
    {
        try
        {
            _ = await Wire.Post(Api + "registered-models/create", new JsonObject { ["name"] = name }, cancel).ConfigureAwait(false);
        }
        catch (TaktClientException e) when (e.Code == "RESOURCE_ALREADY_EXISTS")
        {
            // another version of it
        }
        var key = Guid.NewGuid().ToString("N");
        var body = new JsonObject { ["name"] = name, ["source"] = source, ["tags"] = Wire.Pairs([.. tags ?? new Dictionary<string, string>(), new(KeyTag, key)]) };
        if (run is not null) body["run_id"] = run;
        return Version((JsonObject)(await Make("model-versions/create", body, async () =>
        {
            var found = await Wire.Get($"{Api}model-versions/search?filter={Wire.Query($"tags.`{KeyTag}` = '{key}'")}&max_results=1", cancel).ConfigureAwait(false);
            return found["model_versions"] is JsonArray { Count: > 0 } versions ? new JsonObject { ["model_version"] = versions[0]!.DeepClone() } : null;
        }, cancel).ConfigureAwait(false))["model_version"]!);
    }

    /// <summary>Moves an alias, such as <c>champion</c>, to a version.</summary>
    public async Task SetAlias(string name, string alias, int version, CancellationToken cancel = default) =>
        _ = await Wire.Post(Api + "registered-models/alias", new JsonObject { ["name"] = name, ["alias"] = alias, ["version"] = version.ToString(System.Globalization.CultureInfo.InvariantCulture) }, cancel).ConfigureAwait(false);

    /// <param name="reference"><c>NAME@ALIAS</c> or <c>NAME@NUMBER</c>.</param>
    /// <exception cref="ArgumentException">It names no version.</exception>
    public async Task<ModelVersionInfo> GetVersion(string reference, CancellationToken cancel = default)
    {
        var at = reference.LastIndexOf('@');
        if (at <= 0) throw new ArgumentException($"'{reference}' names no version: NAME@ALIAS or NAME@NUMBER", nameof(reference));
        var (name, which) = (Wire.Query(reference[..at]), Wire.Query(reference[(at + 1)..]));
        var path = int.TryParse(which, out _) ? $"model-versions/get?name={name}&version={which}" : $"registered-models/alias?name={name}&alias={which}";
        return Version((JsonObject)(await Wire.Get(Api + path, cancel).ConfigureAwait(false))["model_version"]!);
    }

    /// <summary>Asks an endpoint, by the Open Inference Protocol.</summary>
    /// <param name="inputs">Equally long columns: <c>double[]</c>, <c>float[]</c>, <c>long[]</c>, <c>int[]</c>, <c>bool[]</c> or <c>string[]</c>.</param>
    /// <exception cref="ArgumentException">A column is of another type, or not as long as the others.</exception>
    public Task<Prediction> Score(string endpoint, IReadOnlyDictionary<string, Array> inputs, CancellationToken cancel = default) => Scoring.Score(Wire, endpoint, inputs, null, cancel);

    /// <inheritdoc cref="Score(string, IReadOnlyDictionary{string, Array}, CancellationToken)"/>
    /// <param name="keys">What your own system calls the rows, one each, such as order numbers: <see cref="LabelKeys"/> finds them by it.</param>
    public Task<Prediction> Score(string endpoint, IReadOnlyDictionary<string, Array> inputs, IReadOnlyList<string> keys, CancellationToken cancel = default) => Scoring.Score(Wire, endpoint, inputs, keys, cancel);

    /// <summary>Tells what became of predictions: the id of a row (<see cref="Prediction.Row"/>) and the truth. The newest label of a row counts.</summary>
    public Task Label(string endpoint, IReadOnlyDictionary<string, double> labels, CancellationToken cancel = default) => Label(endpoint, "id", labels.Select(l => KeyValuePair.Create(l.Key, (JsonNode)l.Value)), null, cancel);

    /// <summary>As <see cref="Label(string, IReadOnlyDictionary{string, double}, CancellationToken)"/>, of an endpoint whose model says classes: their names.</summary>
    public Task Label(string endpoint, IReadOnlyDictionary<string, string> classes, CancellationToken cancel = default) => Label(endpoint, "id", classes.Select(c => KeyValuePair.Create(c.Key, (JsonNode)c.Value)), null, cancel);

    /// <summary>As <see cref="Label(string, IReadOnlyDictionary{string, double}, CancellationToken)"/>, by the keys that the requests said.</summary>
    /// <param name="time">Each label belongs to the newest prediction of its key then or before; null: now.</param>
    public Task LabelKeys(string endpoint, IReadOnlyDictionary<string, double> labels, DateTimeOffset? time = null, CancellationToken cancel = default) => Label(endpoint, "key", labels.Select(l => KeyValuePair.Create(l.Key, (JsonNode)l.Value)), time, cancel);

    async Task Label(string endpoint, string by, IEnumerable<KeyValuePair<string, JsonNode>> labels, DateTimeOffset? time, CancellationToken cancel) =>
        _ = await Wire.Post($"api/v1/deployments/{Wire.Query(endpoint)}/labels", new JsonObject
        {
            ["labels"] = new JsonArray([.. labels.Select(l => new JsonObject { [by] = l.Key, ["label"] = l.Value, ["time"] = time?.ToString("o", System.Globalization.CultureInfo.InvariantCulture) })]),
        }, cancel).ConfigureAwait(false);

    /// <summary>A call that must not be done twice: before it is repeated, what the lost one made is looked for.</summary>
    internal async Task<JsonObject> Make(string path, JsonObject body, Func<Task<JsonObject?>> find, CancellationToken cancel)
    {
        JsonObject? found = null;
        var bytes = System.Text.Encoding.UTF8.GetBytes(body.ToJsonString());
        using var answer = await Wire.Send(HttpMethod.Post, Api + path,
            () => new ByteArrayContent(bytes) { Headers = { ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue("application/json") } },
            async () => (found = await find().ConfigureAwait(false)) is not null, cancel).ConfigureAwait(false);
        if (found is not null) return found;
        try
        {
            return (JsonObject)JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancel).ConfigureAwait(false))!;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // it was done, only its answer broke off
            return await find().ConfigureAwait(false) ?? throw new TaktClientException(null, "", $"the answer to {path} broke off: {e.Message}", e);
        }
    }

    static RunInfo Read(JsonObject run)
    {
        var (info, data) = ((JsonObject)run["info"]!, run["data"] as JsonObject);
        var ended = Wire.Whole(info, "end_time");
        return new RunInfo(Wire.Text(info, "run_id"), Wire.Text(info, "experiment_id"), Wire.Text(info, "run_name"), Wire.Text(info, "status"),
            DateTimeOffset.FromUnixTimeMilliseconds(Wire.Whole(info, "start_time")), ended == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(ended),
            Wire.Pairs(data?["params"]), (data?["metrics"] as JsonArray ?? []).OfType<JsonObject>().ToDictionary(m => Wire.Text(m, "key"), m => Wire.Number(m["value"])), Wire.Pairs(data?["tags"]));
    }

    static ModelVersionInfo Version(JsonObject version) => new(Wire.Text(version, "name"), (int)Wire.Whole(version, "version"), Wire.Text(version, "source"),
        Wire.Text(version, "run_id") is { Length: > 0 } run ? run : null, Wire.Pairs(version["tags"]), [.. (version["aliases"] as JsonArray ?? []).Select(a => a!.ToString())]);

    static HttpClient Http(string address) => Uri.TryCreate(address.TrimEnd('/') + "/", UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
        ? new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) }) { BaseAddress = uri, Timeout = Timeout.InfiniteTimeSpan }
        : throw new ArgumentException($"'{address}' is no http address, such as http://127.0.0.1:5000", nameof(address));

    public void Dispose()
    {
        if (_own) _http.Dispose();
    }
}
