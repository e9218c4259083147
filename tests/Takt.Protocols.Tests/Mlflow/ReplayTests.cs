using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>A whole session of a real MLflow 3.6 client, replayed; every answer must mean what MLflow's own server answered.</summary>
public sealed partial class ReplayTests(ITestOutputHelper output)
{
    /// <summary>Where Takt differs on purpose.</summary>
    static string? Reason(string method, string path, int status, string answer, string fault) =>
        path == "/v1/traces" && status == 200 && fault.StartsWith("''", StringComparison.Ordinal) ? "the answer is the protobuf message that its type says, here of no bytes, not JSON"
        : path == "/version" ? "the version of the protocol, not of a development build"
        : method == "GET" && path.Contains("/mlflow-artifacts/artifacts/") && status == 500 && answer.Contains("No such file") ? "a missing artifact is 404, not 500"
        : answer.Contains("sqlite3.IntegrityError") ? "a taken name is told without the SQL"
        : path.EndsWith("/runs/search") && fault.StartsWith("/next_page_token: absent") ? "a full last page has no token to an empty one"
        : null;

    [Fact]
    public async Task A_recorded_session_of_the_3_6_client_gets_the_same_answers()
    {
        await using var server = await MlflowServer.Start();
        var ids = new Dictionary<string, string>();
        var faults = new List<string>();
        int same = 0, different = 0;
        foreach (var line in await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "Mlflow", "client-3.6.jsonl")))
        {
            var exchange = JsonNode.Parse(line)!;
            var request = exchange["request"]!;
            var path = Mapped(request["path"]!.GetValue<string>(), ids);
            var method = request["method"]!.GetValue<string>();
            var expected = exchange["response"]!;
            var status = expected["status"]!.GetValue<int>();
            using var message = new HttpRequestMessage(new HttpMethod(method), path) { Content = Content(request["body"], ids) };
            if (path == "/v1/traces")
            {
                message.Content!.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
                message.Headers.Add("x-mlflow-experiment-id", request["headers"]!["x-mlflow-experiment-id"]!.GetValue<string>());
            }
            using var response = await server.Client.SendAsync(message);
            var bytes = await response.Content.ReadAsByteArrayAsync();
            var fault = (int)response.StatusCode != status ? $"status {(int)response.StatusCode} instead of {status}: {Encoding.UTF8.GetString(bytes)[..Math.Min(200, bytes.Length)]}"
                : Compare(expected["body"], bytes, ids);
            var name = $"{exchange["seq"]} {method} {path}";
            if (fault is null) same++;
            else if (Reason(method, path, status, expected.ToJsonString(), fault) is { } reason) { different++; output.WriteLine($"differs on purpose ({reason}): {name}"); }
            else faults.Add($"{name}: {fault}");
        }
        output.WriteLine($"{same} the same, {different} different on purpose, {faults.Count} wrong");
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.True(same >= Floor, $"only {same} exchanges are the same; there were {Floor}");
    }

    /// <summary>Only ever to grow.</summary>
    const int Floor = 234;

    static HttpContent? Content(JsonNode? body, Dictionary<string, string> ids)
    {
        if (body is null) return null;
        if (body["json"] is { } json) return new StringContent(Mapped(json.ToJsonString(), ids), Encoding.UTF8, "application/json");
        var content = new ByteArrayContent(body["text"] is { } text ? Encoding.UTF8.GetBytes(text.GetValue<string>()) : Convert.FromBase64String(body["base64"]!.GetValue<string>()));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        return content;
    }

    static string? Compare(JsonNode? expected, byte[] actual, Dictionary<string, string> ids)
    {
        if (expected?["base64"] is { } base64) return Convert.FromBase64String(base64.GetValue<string>()).AsSpan().SequenceEqual(actual) ? null : "other bytes";
        var text = Encoding.UTF8.GetString(actual);
        if (expected?["text"] is { } plain) return plain.GetValue<string>() == text ? null : $"'{text}'";
        return Compare("", expected?["json"], JsonNode.Parse(text), ids);
    }

    static string? Compare(string at, JsonNode? expected, JsonNode? actual, Dictionary<string, string> ids)
    {
        switch (expected, actual)
        {
            case (JsonObject a, JsonObject b):
                foreach (var name in a.Select(p => p.Key).Union(b.Select(p => p.Key)).ToList())
                    if (!ServerTime(name) && Compare($"{at}/{name}", a[name], b[name], ids) is { } fault) return fault;
                return null;
            case (JsonArray a, JsonArray b):
                if (a.Count != b.Count) return $"{at}: {b.Count} items instead of {a.Count}";
                var (left, right) = (Sorted(a), Sorted(b));
                for (var i = 0; i < left.Count; i++)
                    if (Compare($"{at}[{i}]", left[i], right[i], ids) is { } fault) return fault;
                return null;
            case (JsonValue a, JsonValue b):
                var (x, y) = (a.ToString(), b.ToString());
                if (Mapped(x, ids) == y || (double.TryParse(x, out var p) && double.TryParse(y, out var q) && p.Equals(q))) return null;
                // a token means something to its maker only; the newest is the one that is sent back
                if (at.EndsWith("/next_page_token", StringComparison.Ordinal)) { ids[x] = y; return null; }
                if (MadeId().IsMatch(x) && MadeId().IsMatch(y) && !ids.ContainsKey(x)) { ids[x] = y; return null; }
                if (MadeName().IsMatch(x) && MadeName().IsMatch(y)) return null;
                // an id met first inside of an address
                if (InnerId().Match(x) is { Success: true } old && InnerId().Match(y) is { Success: true } now && !ids.ContainsKey(old.Value) && x.Replace(old.Value, now.Value) == y) { ids[old.Value] = now.Value; return null; }
                return $"{at}: {b.ToJsonString()} instead of {a.ToJsonString()}";
            case (null, JsonValue b) when b.ToString() is "" or "0" or "False": return null;
            case (JsonValue a, null) when a.ToString() is "" or "0" or "False": return null;
            case (null, null): return null;
            default: return $"{at}: {actual?.ToJsonString() ?? "absent"} instead of {expected?.ToJsonString() ?? "absent"}";
        }
    }

    // tags, params and metrics are sets by key
    static List<JsonNode?> Sorted(JsonArray items) =>
        items.All(i => i is JsonObject o && o.ContainsKey("key")) ? [.. items.OrderBy(i => i!["key"]!.ToString(), StringComparer.Ordinal)] : [.. items];

    static bool ServerTime(string name) =>
        name is "creation_time" or "last_update_time" or "creation_timestamp" or "last_updated_timestamp" or "creation_timestamp_ms" or "last_updated_timestamp_ms";

    static string Mapped(string text, Dictionary<string, string> ids)
    {
        foreach (var (recorded, now) in ids) text = text.Replace(recorded, now, StringComparison.Ordinal);
        return text;
    }

    [GeneratedRegex("^(m-|a-)?[0-9a-f]{32}$")]
    private static partial Regex MadeId();

    [GeneratedRegex("(m-)?[0-9a-f]{32}")]
    private static partial Regex InnerId();

    [GeneratedRegex("^[a-z]+-[a-z]+-[0-9]+$")]
    private static partial Regex MadeName();
}
