using System.Text;
using System.Text.Json.Nodes;
using Takt.Deployments;

namespace Takt.Protocols.Tests.OpenAI;

/// <summary>
/// Exchanges by OpenAI's specification with <see cref="UpstreamStub"/> behind the deployment: status, media type and every member of what comes back. <c>$time</c> stands for a time, <c>$text</c> for some words.
/// </summary>
public sealed class TranscriptTests : IAsyncLifetime
{
    readonly UpstreamStub _upstream = new();
    ServedModel _served = null!;

    public async ValueTask InitializeAsync()
    {
        await _upstream.Start();
        _served = await ServedModel.Start();
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("chat", [1], TimeSpan.Zero, 0, [], null, true, new Upstream(_upstream.Url, "up", null)), null);
        await _served.Ready("chat");
    }

    public async ValueTask DisposeAsync()
    {
        await _served.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task Chat_completions_embeddings_streams_and_errors_are_what_the_transcripts_say()
    {
        var faults = new List<string>();
        var lines = await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "OpenAI", "transcripts.jsonl"));
        foreach (var exchange in lines.Select(line => JsonNode.Parse(line)!))
        {
            var (asked, expected) = (exchange["request"]!, exchange["response"]!);
            using var request = new HttpRequestMessage(new HttpMethod(asked["method"]!.GetValue<string>()), asked["path"]!.GetValue<string>());
            if ((asked["json"]?.ToJsonString() ?? asked["text"]?.GetValue<string>()) is { } body) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
            using var answer = await _served.Http.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            var events = expected["events"];
            var (want, given) = events is null ? (expected["json"], JsonNode.Parse(text)) : (events, new JsonArray([.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(Event)]));
            var fault = (int)answer.StatusCode != expected["status"]!.GetValue<int>() ? $"status {(int)answer.StatusCode}: {text}"
                : answer.Content.Headers.ContentType?.MediaType != (events is null ? "application/json" : "text/event-stream") ? $"is {answer.Content.Headers.ContentType}"
                : Difference("", want, given);
            if (fault is not null) faults.Add($"{exchange["name"]}: {fault}");
        }
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.Equal(21, lines.Length);
    }

    static JsonNode? Event(string text) => !text.StartsWith("data: ", StringComparison.Ordinal) ? $"no event: {text}" : text["data: ".Length..] is var data && data.StartsWith('{') ? JsonNode.Parse(data) : data;

    static string? Difference(string at, JsonNode? want, JsonNode? given)
    {
        switch (want, given)
        {
            case (JsonObject a, JsonObject b):
                return a.Select(p => p.Key).Union(b.Select(p => p.Key)).Select(name => a.ContainsKey(name) != b.ContainsKey(name) ? $"{at}/{name} is {(b.ContainsKey(name) ? "there" : "missing")}" : Difference($"{at}/{name}", a[name], b[name])).FirstOrDefault(d => d is not null);
            case (JsonArray a, JsonArray b):
                return a.Count != b.Count ? $"{at}: {b.Count} items instead of {a.Count}: {b.ToJsonString()}" : Enumerable.Range(0, a.Count).Select(i => Difference($"{at}[{i}]", a[i], b[i])).FirstOrDefault(d => d is not null);
            case (JsonValue a, JsonValue b) when a.TryGetValue(out string? word) && word is "$time" or "$text":
                return word == "$time" ? (b.TryGetValue(out long time) && time > 1_600_000_000 ? null : $"{at}: {b} is no time") : b.TryGetValue(out string? words) && words!.Length > 0 ? null : $"{at}: {b} are no words";
            default:
                return JsonNode.DeepEquals(want, given) ? null : $"{at}: {given?.ToJsonString() ?? "null"} instead of {want?.ToJsonString() ?? "null"}";
        }
    }
}
