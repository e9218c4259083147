using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Takt.Protocols.Tests.OpenAI;

/// <summary>
/// Stands for an LLM server: echoes the last message, plain or as three streamed pieces, and says 7 prompt and 3 completion tokens. The message
/// "fail" is answered with 500, "cut" breaks off in the middle of the stream. It has no model, no other route and no rate limit.
/// </summary>
sealed class UpstreamStub : IAsyncDisposable
{
    readonly WebApplication _web;

    public UpstreamStub()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _web = builder.Build();
        _web.MapPost("/v1/chat/completions", Chat);
        _web.MapPost("/v1/completions", async (HttpContext http) =>
        {
            Request = await JsonNode.ParseAsync(http.Request.Body);
            return Results.Text("""{"id":"c2","object":"text_completion","created":1,"model":"up","choices":[{"text":" and on","index":0,"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}}""", "application/json");
        });
        _web.MapPost("/v1/embeddings", async (HttpContext http) =>
        {
            Request = await JsonNode.ParseAsync(http.Request.Body); // lists only, whatever is asked for
            return Results.Text("""{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1,0.25]}],"model":"up","usage":{"prompt_tokens":4,"total_tokens":4}}""", "application/json");
        });
    }

    public string Url => _web.Urls.First() + "/v1";

    /// <summary>What the newest request carried.</summary>
    public string Authorization { get; private set; } = "";

    public JsonNode? Request { get; private set; }

    public Task Start() => _web.StartAsync();

    async Task Chat(HttpContext http)
    {
        Authorization = http.Request.Headers.Authorization.ToString();
        Request = await JsonNode.ParseAsync(http.Request.Body);
        var content = Request!["messages"]!.AsArray()[^1]!["content"]!;
        var text = content is JsonValue ? content.GetValue<string>() : content[0]!["text"]!.GetValue<string>();
        if (text == "fail")
        {
            http.Response.StatusCode = 500;
            await http.Response.WriteAsync("boom");
            return;
        }
        if (text == "call")
        {
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync("""{"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Ulm\"}"}}]},"finish_reason":"tool_calls"}]}""");
            return;
        }
        const string Usage = """{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}""";
        if (Request["stream"]?.GetValue<bool>() != true)
        {
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync($$$"""{"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"echo {{{text}}}"},"finish_reason":"stop"}],"usage":{{{Usage}}}}""");
            return;
        }
        http.Response.ContentType = "text/event-stream";
        foreach (var piece in new[] { "echo", " ", text })
        {
            await http.Response.WriteAsync($$$"""data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":"{{{piece}}}"},"finish_reason":null}]}""" + "\n\n");
            await http.Response.Body.FlushAsync();
            if (text != "cut") continue;
            await Task.Delay(300); // the piece is on its way: it is the stream that breaks, not the answer
            http.Abort();
            return;
        }
        if (Request["stream_options"]?["include_usage"]?.GetValue<bool>() == true)
            await http.Response.WriteAsync($$$"""data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"up","choices":[],"usage":{{{Usage}}}}""" + "\n\n");
        await http.Response.WriteAsync("data: [DONE]\n\n");
    }

    public ValueTask DisposeAsync() => _web.DisposeAsync();
}
