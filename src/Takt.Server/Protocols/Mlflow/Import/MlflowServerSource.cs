using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.Models;
using Takt.Models.Import;
using Takt.Runs;
using Takt.Runs.Import;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary>A tracking server by its REST API. The login is that of MLflow's clients: <c>MLFLOW_TRACKING_TOKEN</c>, or <c>MLFLOW_TRACKING_USERNAME</c> and <c>_PASSWORD</c>.</summary>
sealed class MlflowServerSource : IMlflowSource
{
    const string Api = "api/2.0/mlflow/";
    const string Scheme = "mlflow-artifacts:/";
    const int Page = 1000;
    const int Attempts = 5;

    /// <summary>A server that says nothing for so long is gone; a large file may take longer in all.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    readonly HttpClient _http;
    readonly string? _workspace;

    /// <param name="workspace">Of MLflow from 3.10 on, or of Takt; null: the server's default.</param>
    public MlflowServerSource(Uri address, string? workspace = null)
    {
        var at = address.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped).TrimEnd('/');
        _workspace = workspace;
        Name = workspace is null ? at : $"{at}#{workspace}";
        _http = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.All }) { BaseAddress = new Uri(at + "/"), Timeout = Patience };
        if (workspace is not null) _http.DefaultRequestHeaders.Add(WorkspaceHeader.Name, workspace);
        var login = address.UserInfo.Length > 0 ? Uri.UnescapeDataString(address.UserInfo)
            : Environment.GetEnvironmentVariable("MLFLOW_TRACKING_USERNAME") is { Length: > 0 } user ? $"{user}:{Environment.GetEnvironmentVariable("MLFLOW_TRACKING_PASSWORD")}" : null;
        if (Environment.GetEnvironmentVariable("MLFLOW_TRACKING_TOKEN") is { Length: > 0 } token) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        else if (login is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(login)));
    }

    public string Name { get; }

    public int AtOnce => 4;

    public IAsyncEnumerable<ImportedExperiment> Experiments(CancellationToken cancel) =>
        Pages("experiments/search", "experiments", new JsonObject { ["max_results"] = Page, ["view_type"] = "ALL" }, e => new ImportedExperiment(Text(e, "experiment_id"), Text(e, "name"),
            Text(e, "lifecycle_stage") == "deleted", Time(e, "creation_time"), Time(e, "last_update_time"), Pairs(e["tags"])), cancel);

    public IAsyncEnumerable<ImportedRun> Runs(ImportedExperiment experiment, CancellationToken cancel) =>
        Pages("runs/search", "runs", new JsonObject { ["experiment_ids"] = new JsonArray(experiment.Id), ["max_results"] = Page, ["run_view_type"] = "ALL", ["order_by"] = new JsonArray("attributes.start_time ASC") }, run =>
        {
            var (info, data) = ((JsonObject)run["info"]!, run["data"] as JsonObject);
            var tags = Pairs(data?["tags"]);
            return new ImportedRun(Text(info, "run_id"), Text(info, "run_name") is { Length: > 0 } name ? name : tags.LastOrDefault(t => t.Key == "mlflow.runName").Value ?? "", Text(info, "user_id"),
                Enum.TryParse<RunStatus>(Text(info, "status"), out var status) ? status : RunStatus.RUNNING, Text(info, "lifecycle_stage") == "deleted", Whole(info, "start_time") ?? 0, Whole(info, "end_time"),
                Text(info, "artifact_uri"), [.. List(data, "metrics").Select(m => Text(m, "key")).Distinct()], Pairs(data?["params"]), tags,
                [.. List(run["inputs"] as JsonObject, "dataset_inputs").Select(Input)], [.. List(run["inputs"] as JsonObject, "model_inputs").Select(m => Text(m, "model_id"))],
                [.. List(run["outputs"] as JsonObject, "model_outputs").Select(o => new RunOutput(Text(o, "model_id"), Whole(o, "step") ?? 0))]);
        }, cancel);

    public async Task<List<MetricValue>> Points(ImportedExperiment experiment, ImportedRun run, string metric, CancellationToken cancel)
    {
        var points = new List<MetricValue>();
        var token = "";
        do
        {
            var page = await Ask(HttpMethod.Get, $"{Api}metrics/get-history?run_id={Query(run.Id)}&metric_key={Query(metric)}&max_results=25000{(token.Length > 0 ? "&page_token=" + Query(token) : "")}", null, cancel);
            var list = List(page, "metrics").ToList();
            foreach (var m in list) points.Add(new MetricValue(metric, Number(m["value"]), Whole(m, "step") ?? 0, Time(m, "timestamp")));
            token = list.Count == 0 ? "" : Text(page, "next_page_token");
        }
        while (token.Length > 0);
        return points;
    }

    public IAsyncEnumerable<ImportedFile>? Artifacts(ImportedExperiment experiment, ImportedRun run, CancellationToken cancel) => Below("", path => $"{Api}artifacts/list?run_id={Query(run.Id)}{(path.Length > 0 ? "&path=" + Query(path) : "")}",
        path => $"get-artifact?run_uuid={Query(run.Id)}&run_id={Query(run.Id)}&path={Query(path)}", path => Proxied(run.ArtifactUri, path), cancel);

    public async IAsyncEnumerable<ImportedLoggedModel> LoggedModels(ImportedExperiment experiment, [EnumeratorCancellation] CancellationToken cancel)
    {
        // a server of before 3.0 has none
        var models = Pages("logged-models/search", "models", new JsonObject { ["experiment_ids"] = new JsonArray(experiment.Id), ["max_results"] = 50 }, model =>
        {
            var (info, data) = ((JsonObject)model["info"]!, model["data"] as JsonObject);
            return new ImportedLoggedModel(Text(info, "model_id"), Text(info, "name"), Text(info, "model_type"), Text(info, "source_run_id") is { Length: > 0 } run ? run : null, Text(info, "status"),
                Time(info, "creation_timestamp_ms"), Time(info, "last_updated_timestamp_ms"), Text(info, "artifact_uri"), Pairs(data?["params"]), Pairs(info["tags"]));
        }, cancel, optional: true);
        await foreach (var model in models) yield return model;
    }

    public IAsyncEnumerable<ImportedFile>? Artifacts(ImportedExperiment experiment, ImportedLoggedModel model, CancellationToken cancel) =>
        Below("", path => $"{Api}logged-models/{Query(model.Id)}/artifacts/directories{(path.Length > 0 ? "?artifact_directory_path=" + Query(path) : "")}",
            path => $"ajax-api/2.0/mlflow/logged-models/{Query(model.Id)}/artifacts/files?artifact_file_path={Query(path)}", path => Proxied(model.ArtifactUri, path), cancel);

    public async IAsyncEnumerable<string> Linked(ImportedExperiment experiment, string run, [EnumeratorCancellation] CancellationToken cancel)
    {
        // those that it made itself are found as well
        await foreach (var trace in Pages("traces/search", "traces", TracesOf(experiment, $"attributes.run_id = '{run}'"), Read, cancel, optional: true, api: "api/3.0/mlflow/"))
            if (trace.Info.Fact(TraceKeys.SourceRun) != run) yield return trace.Info.Id;
    }

    public async IAsyncEnumerable<ImportedTrace> Traces(ImportedExperiment experiment, [EnumeratorCancellation] CancellationToken cancel)
    {
        var any = false;
        // 2.x has another call, and before 2.14 there are none
        await foreach (var trace in Pages("traces/search", "traces", TracesOf(experiment), Read, cancel, optional: true, api: "api/3.0/mlflow/"))
        {
            any = true;
            yield return trace;
        }
        if (any) yield break;
        var token = "";
        do
        {
            JsonObject page;
            try
            {
                page = await Ask(HttpMethod.Get, $"{Api}traces?experiment_ids={Query(experiment.Id)}&max_results=100{(token.Length > 0 ? "&page_token=" + Query(token) : "")}", null, cancel);
            }
            catch (TaktException e) when (e.Error is TaktError.NotFound)
            {
                yield break;
            }
            foreach (var trace in List(page, "traces")) yield return Read(trace);
            token = Text(page, "next_page_token");
        }
        while (token.Length > 0);
    }

    static JsonObject TracesOf(ImportedExperiment experiment, string filter = "") => new()
    {
        ["locations"] = new JsonArray(new JsonObject { ["type"] = "MLFLOW_EXPERIMENT", ["mlflow_experiment"] = new JsonObject { ["experiment_id"] = experiment.Id } }),
        ["filter"] = filter,
        ["max_results"] = 100,
    };

    static ImportedTrace Read(JsonObject trace) => new(TraceReader.Info(MlflowRequest.Of(JsonSerializer.SerializeToElement(trace))));

    public async Task<JsonElement?> Spans(ImportedExperiment experiment, ImportedTrace trace, CancellationToken cancel)
    {
        try
        {
            using var answer = await Send(HttpMethod.Get, $"ajax-api/2.0/mlflow/get-trace-artifact?request_id={Query(trace.Info.Id)}", null, cancel, attempts: 2);
            using var json = JsonDocument.Parse(await answer.Content.ReadAsStreamAsync(cancel));
            return json.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Unavailable, $"{Name} has spans of the trace {trace.Info.Id} that are no JSON: {e.Message}", e);
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound || trace.Info.State == TraceLog.Running)
        {
            return null; // none have come there yet
        }
    }

    public async IAsyncEnumerable<ImportedModel> Models([EnumeratorCancellation] CancellationToken cancel)
    {
        // prompts are models too, and they and their versions only shown to who asks for them
        foreach (var filter in (string[])["", "tags.`mlflow.prompt.is_prompt` = 'true'"])
        {
            var token = "";
            do
            {
                var page = await Ask(HttpMethod.Get, $"{Api}registered-models/search?max_results=100{(filter.Length > 0 ? "&filter=" + Query(filter) : "")}{(token.Length > 0 ? "&page_token=" + Query(token) : "")}", null, cancel);
                foreach (var model in List(page, "registered_models"))
                {
                    var name = Text(model, "name");
                    yield return new ImportedModel(name, Text(model, "description"), Time(model, "creation_timestamp"), Time(model, "last_updated_timestamp"), Pairs(model["tags"]),
                        [.. List(model, "aliases").Select(a => KeyValuePair.Create(Text(a, "alias"), Whole(a, "version") ?? 0))], await Versions(name, filter, cancel));
                }
                token = Text(page, "next_page_token");
            }
            while (token.Length > 0);
        }
    }

    async Task<List<RegisteredVersion>> Versions(string model, string filter, CancellationToken cancel)
    {
        var versions = new List<RegisteredVersion>();
        var quoted = model.Contains('\'', StringComparison.Ordinal) ? $"\"{model}\"" : $"'{model}'";
        var token = "";
        do
        {
            var page = await Ask(HttpMethod.Get, $"{Api}model-versions/search?max_results=1000&filter={Query($"name={quoted}{(filter.Length > 0 ? " AND " + filter : "")}")}{(token.Length > 0 ? "&page_token=" + Query(token) : "")}", null, cancel);
            versions.AddRange(List(page, "model_versions").Select(v => new RegisteredVersion(Text(v, "name"), Whole(v, "version") ?? 0, Time(v, "creation_timestamp"), Time(v, "last_updated_timestamp"),
                Text(v, "current_stage") is { Length: > 0 } stage ? stage : "None", Text(v, "description"), Text(v, "source"), Text(v, "run_id"), Text(v, "status"), Pairs(v["tags"]), [])));
            token = Text(page, "next_page_token");
        }
        while (token.Length > 0);
        return versions;
    }

    async IAsyncEnumerable<ImportedFile> Below(string folder, Func<string, string> list, Func<string, string> file, Func<string, string?> proxied, [EnumeratorCancellation] CancellationToken cancel)
    {
        var page = await Ask(HttpMethod.Get, list(folder), null, cancel);
        foreach (var entry in List(page, "files"))
        {
            var path = Text(entry, "path");
            if (entry["is_dir"]?.GetValue<bool>() != true) yield return new ImportedFile(path, stop => Download(file(path), proxied(path), stop));
            else if (path.Length > folder.Length) await foreach (var inner in Below(path, list, file, proxied, cancel)) yield return inner;
        }
    }

    static string? Proxied(string uri, string path) => !uri.StartsWith(Scheme, StringComparison.Ordinal) ? null : $"api/2.0/mlflow-artifacts/artifacts/{string.Join('/', $"{uri[Scheme.Length..].Trim('/')}/{path}".Split('/').Select(Uri.EscapeDataString))}";

    /// <summary>
    /// By the address that MLflow's own pages use, whatever store the files are in; else by the artifact proxy, which is all that some servers have (and which fails on MLflow's own
    /// for a name that is not ASCII).
    /// </summary>
    async Task<Stream> Download(string file, string? proxied, CancellationToken cancel)
    {
        if (proxied is null) return await (await Send(HttpMethod.Get, file, null, cancel)).Content.ReadAsStreamAsync(cancel);
        try
        {
            return await (await Send(HttpMethod.Get, file, null, cancel, attempts: 1)).Content.ReadAsStreamAsync(cancel);
        }
        catch (TaktException)
        {
            return await (await Send(HttpMethod.Get, proxied, null, cancel)).Content.ReadAsStreamAsync(cancel);
        }
    }

    async IAsyncEnumerable<T> Pages<T>(string call, string member, JsonObject body, Func<JsonObject, T> read, [EnumeratorCancellation] CancellationToken cancel, bool optional = false, string api = Api)
    {
        var token = "";
        do
        {
            var asked = (JsonObject)body.DeepClone();
            if (token.Length > 0) asked["page_token"] = token;
            JsonObject page;
            try
            {
                page = await Ask(HttpMethod.Post, api + call, asked, cancel);
            }
            catch (TaktException e) when (optional && e.Error is TaktError.NotFound)
            {
                yield break;
            }
            foreach (var item in List(page, member)) yield return read(item);
            token = Text(page, "next_page_token");
        }
        while (token.Length > 0);
    }

    async Task<JsonObject> Ask(HttpMethod method, string path, JsonObject? body, CancellationToken cancel)
    {
        using var answer = await Send(method, path, body, cancel);
        try
        {
            return JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancel)) as JsonObject ?? throw new JsonException("no object");
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Unavailable, $"{Name} did not answer in JSON to {path}: is it a tracking server?", e);
        }
    }

    async Task<HttpResponseMessage> Send(HttpMethod method, string path, JsonObject? body, CancellationToken cancel, int attempts = Attempts)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var request = new HttpRequestMessage(method, path);
                if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
                var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
                if (answer.IsSuccessStatusCode) return answer;
                using (answer)
                {
                    var text = await answer.Content.ReadAsStringAsync(cancel);
                    var error = (int)answer.StatusCode switch { 404 => TaktError.NotFound, 401 or 403 => TaktError.Denied, _ => TaktError.Unavailable };
                    if (_workspace is not null && error == TaktError.NotFound && text.Contains($"Workspace '{_workspace}' not found", StringComparison.Ordinal))
                        throw TaktException.NotFound($"{_http.BaseAddress} has no workspace '{_workspace}' (--from-workspace); GET api/3.0/mlflow/workspaces there lists those it has");
                    if (attempt >= attempts || ((int)answer.StatusCode < 500 && answer.StatusCode != HttpStatusCode.TooManyRequests))
                        throw new TaktException(error, $"{Name} answered {(int)answer.StatusCode} to {path.Split('?')[0]}: {(text.Length > 300 ? text[..300] + "…" : text)}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
            {
                if (attempt >= attempts) throw new TaktException(TaktError.Unavailable, $"no tracking server answers at {Name}: {e.Message}", e);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(200 * Math.Pow(2, attempt)), cancel);
        }
    }

    static RunInput Input(JsonObject input)
    {
        var dataset = (JsonObject)input["dataset"]!;
        return new RunInput(Text(dataset, "name"), Text(dataset, "digest"), Text(dataset, "source_type"), Text(dataset, "source"), Some("schema"), Some("profile"), Pairs(input["tags"]).ToDictionary());

        string? Some(string member) => Text(dataset, member) is { Length: > 0 } text ? text : null;
    }

    static IEnumerable<JsonObject> List(JsonObject? json, string member) => (json?[member] as JsonArray ?? []).OfType<JsonObject>();

    static List<KeyValuePair<string, string>> Pairs(JsonNode? list) => [.. (list as JsonArray ?? []).OfType<JsonObject>().Select(p => KeyValuePair.Create(Text(p, "key"), Text(p, "value")))];

    static string Text(JsonObject json, string member) => json[member] is JsonValue value ? value.TryGetValue(out string? text) ? text : value.ToString() : "";

    static long? Whole(JsonObject json, string member) => long.TryParse(Text(json, member), out var whole) ? whole : null;

    static DateTimeOffset Time(JsonObject json, string member) => DateTimeOffset.FromUnixTimeMilliseconds(Whole(json, member) ?? 0);

    static double Number(JsonNode? node) => node is JsonValue value ? value.TryGetValue(out double number) ? number
        : double.Parse(value.ToString(), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture) : 0; // a 0 is left out

    static string Query(string text) => Uri.EscapeDataString(text);

    public void Dispose() => _http.Dispose();
}
