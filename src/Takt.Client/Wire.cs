using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Client;

/// <summary>One call, repeated while it may help.</summary>
/// <remarks>Repeated are calls that got no answer, or 408, 429, 502, 503 or 504. Every call that this client repeats gives the same when the server had done it already.</remarks>
sealed class Wire(HttpClient http, TaktClientOptions options)
{
    public TimeProvider Time => options.Time;

    public Task<JsonObject> Get(string path, CancellationToken cancel) => Json(HttpMethod.Get, path, null, cancel);

    public Task<JsonObject> Post(string path, JsonObject body, CancellationToken cancel) => Json(HttpMethod.Post, path, body, cancel);

    public Task<JsonObject> Patch(string path, JsonObject body, CancellationToken cancel) => Json(HttpMethod.Patch, path, body, cancel);

    async Task<JsonObject> Json(HttpMethod method, string path, JsonObject? body, CancellationToken cancel)
    {
        var bytes = body is null ? null : Encoding.UTF8.GetBytes(body.ToJsonString());
        for (var attempt = 1; ; attempt++)
        {
            using var answer = await Send(method, path, () => bytes is null ? null : new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } }, null, cancel).ConfigureAwait(false);
            string text;
            try
            {
                text = await answer.Content.ReadAsStringAsync(cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                // the server went away in the middle of its answer
                if (attempt >= options.Attempts) throw new TaktClientException(null, "", $"the answer of {http.BaseAddress} to {method} {path} broke off, {attempt} times: {e.Message}", e);
                await Task.Delay(Wait(attempt, null), options.Time, cancel).ConfigureAwait(false);
                continue;
            }
            return Parse(text) ?? throw new TaktClientException(answer.StatusCode, "", $"{http.BaseAddress} did not answer in JSON to {method} {path}: is it a Takt server?");
        }
    }

    /// <param name="content">Called for each try.</param>
    /// <param name="lost">Asked before a repetition: has the server done it already, though its answer was lost? Then the answer is an empty 200.</param>
    /// <returns>A good answer, its body not read yet.</returns>
    /// <exception cref="TaktClientException">A bad one, or none.</exception>
    public async Task<HttpResponseMessage> Send(HttpMethod method, string path, Func<HttpContent?> content, Func<Task<bool>>? lost, CancellationToken cancel, bool repeat = true)
    {
        for (var attempt = 1; ; attempt++)
        {
            TimeSpan? asked = null;
            try
            {
                using var request = new HttpRequestMessage(method, path) { Content = content() };
                if (options.Token is { } token) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                if (options.Workspace is { } workspace) request.Headers.Add("X-MLFLOW-WORKSPACE", workspace);
                var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
                if (answer.IsSuccessStatusCode) return answer;
                using (answer)
                {
                    var fault = await Fault(answer, method, path, cancel).ConfigureAwait(false);
                    if (!repeat || attempt >= options.Attempts || !MayPass(answer.StatusCode)) throw fault;
                    asked = Asked(answer.Headers.RetryAfter);
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException && !cancel.IsCancellationRequested)
            {
                if (!repeat || attempt >= options.Attempts) throw new TaktClientException(null, "", $"no answer from {http.BaseAddress} to {method} {path} in {attempt} tries: {e.Message}", e);
            }
            await Task.Delay(Wait(attempt, asked), options.Time, cancel).ConfigureAwait(false);
            if (lost is not null && await lost().ConfigureAwait(false)) return new HttpResponseMessage(HttpStatusCode.OK);
        }
    }

    static bool MayPass(HttpStatusCode status) => (int)status is 408 or 429 or 502 or 503 or 504;

    TimeSpan? Asked(RetryConditionHeaderValue? header) => header?.Delta ?? (header?.Date is { } date ? date - options.Time.GetUtcNow() : null);

    TimeSpan Wait(int attempt, TimeSpan? asked)
    {
        // spread, so that many jobs that failed at once do not all come back at once
        var own = options.FirstWait * Math.Pow(2, attempt - 1) * (1 + (Random.Shared.NextDouble() / 2));
        var wait = asked > own ? asked.Value : own;
        return wait > options.LongestWait ? options.LongestWait : wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }

    /// <summary>MLflow's error, Takt's, or the Open Inference Protocol's.</summary>
    static async Task<TaktClientException> Fault(HttpResponseMessage answer, HttpMethod method, string path, CancellationToken cancel)
    {
        var text = await answer.Content.ReadAsStringAsync(cancel).ConfigureAwait(false);
        var json = Parse(text);
        var (code, message) = json?["error"] switch
        {
            JsonObject error => (Text(error, "code"), Text(error, "message")),
            JsonValue error when error.TryGetValue(out string? told) => ("", told),
            _ => (Text(json, "error_code"), Text(json, "message")),
        };
        return new TaktClientException(answer.StatusCode, code, message.Length > 0 ? message : $"{method} {path}: {(int)answer.StatusCode} {answer.ReasonPhrase}");
    }

    static JsonObject? Parse(string text)
    {
        try
        {
            return text.Length == 0 ? [] : JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static string Text(JsonObject? json, string member) => json?[member] is JsonValue value && value.TryGetValue(out string? text) ? text : json?[member] is JsonValue other ? other.ToString() : "";

    public static long Whole(JsonObject json, string member) => json[member] is JsonValue value ? value.TryGetValue(out long whole) ? whole : long.Parse(value.ToString(), System.Globalization.CultureInfo.InvariantCulture) : 0;

    /// <summary>A number, or one of the words that JSON has no number for.</summary>
    public static double Number(JsonNode? node) => node is JsonValue value
        ? value.TryGetValue(out double number) ? number : double.Parse(value.ToString(), System.Globalization.CultureInfo.InvariantCulture) : double.NaN;

    public static JsonNode Number(double value) => double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "Infinity" : double.IsNegativeInfinity(value) ? "-Infinity" : value;

    public static Dictionary<string, string> Pairs(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>().GroupBy(p => Text(p, "key")).ToDictionary(g => g.Key, g => Text(g.Last(), "value"));

    public static JsonArray Pairs(IEnumerable<KeyValuePair<string, string>>? pairs) => new([.. (pairs ?? []).Select(p => new JsonObject { ["key"] = p.Key, ["value"] = p.Value })]);

    public static string Query(string text) => Uri.EscapeDataString(text);

    /// <summary>A path within a run, each part escaped.</summary>
    /// <exception cref="ArgumentException">It is empty or leaves the run.</exception>
    public static string Path(string path)
    {
        var parts = path.Split('/');
        if (parts.Any(part => part.Length == 0 || part is "." or "..")) throw new ArgumentException($"'{path}' is no path of an artifact: parts with / between them, none empty, no . or ..", nameof(path));
        return string.Join('/', parts.Select(Uri.EscapeDataString));
    }
}
