using System.ClientModel;
using OpenAI;
using OpenAI.Chat;
using Takt.Deployments;

namespace Takt.Protocols.Tests.OpenAI;

/// <summary>The official .NET SDK with nothing changed but its endpoint.</summary>
public sealed class OpenAiTests : IAsyncLifetime
{
    readonly UpstreamStub _upstream = new();
    ServedModel _served = null!;

    public async ValueTask InitializeAsync()
    {
        Environment.SetEnvironmentVariable("TAKT_SECRET_LLM_KEY", "sk-upstream-secret");
        await _upstream.Start();
        _served = await ServedModel.Start();
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("chat", [1], TimeSpan.Zero, 0, [], null, true, new Upstream(_upstream.Url, "up", "LLM_KEY")), null);
        await _served.Ready("chat");
    }

    public async ValueTask DisposeAsync()
    {
        await _served.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    ChatClient Client(string model = "chat") => new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions
    {
        Endpoint = new Uri(_served.Server.Address, "/v1"),
        RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(maxRetries: 0),
    }).GetChatClient(model);

    [Fact]
    public async Task A_plain_completion_comes_back_and_the_key_is_Takts_own()
    {
        ChatCompletion answer = await Client().CompleteChatAsync("hello");
        Assert.Equal("echo hello", answer.Content[0].Text);
        Assert.Equal(7, answer.Usage.InputTokenCount);
        Assert.Equal("Bearer sk-upstream-secret", _upstream.Authorization);
        Assert.Equal("up", _upstream.Request!["model"]!.GetValue<string>());
    }

    /// <summary>The SDK asks for base64; the upstream knows lists only.</summary>
    [Fact]
    public async Task A_vector_comes_in_the_form_that_was_asked_for_whatever_the_upstream_knows()
    {
        var client = new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri(_served.Server.Address, "/v1") }).GetEmbeddingClient("chat");
        var vector = (await client.GenerateEmbeddingAsync("some words")).Value;
        Assert.Equal([0.5f, -1f, 0.25f], vector.ToFloats().ToArray());
        Assert.Equal("base64", _upstream.Request!["encoding_format"]!.GetValue<string>());
        var (status, body) = await _served.Post("/v1/embeddings", """{"model":"chat","input":["a","b"],"encoding_format":"base64"}""");
        Assert.Equal((200, """{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8AAIA+"}],"model":"up","usage":{"prompt_tokens":4,"total_tokens":4}}"""), (status, body));
        (status, body) = await _served.Post("/v1/embeddings", """{"model":"chat","input":"a"}""");
        Assert.Equal((200, """{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1,0.25]}],"model":"up","usage":{"prompt_tokens":4,"total_tokens":4}}"""), (status, body));
    }

    [Fact]
    public async Task A_completion_of_the_old_kind_goes_through_and_what_is_missing_is_told()
    {
        var (status, body) = await _served.Post("/v1/completions", """{"model":"chat","prompt":"on","max_tokens":2}""");
        Assert.Equal((200, """{"id":"c2","object":"text_completion","created":1,"model":"up","choices":[{"text":" and on","index":0,"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}}"""), (status, body));
        Assert.Equal("""{"model":"up","prompt":"on","max_tokens":2}""", _upstream.Request!.ToJsonString());
        foreach (var (path, field) in new[] { ("completions", "prompt"), ("embeddings", "input"), ("chat/completions", "messages") })
            Assert.Equal((400, $$$"""{"error":{"message":"you must provide {{{field}}}","type":"invalid_request_error","param":"{{{field}}}","code":null}}"""), await _served.Post("/v1/" + path, """{"model":"chat"}"""));
    }

    /// <summary>What Takt knows nothing of goes both ways as it is.</summary>
    [Fact]
    public async Task Tools_and_their_calls_go_through_untouched()
    {
        const string Tools = """[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]""";
        var (status, body) = await _served.Post("/v1/chat/completions", $$"""{"model":"chat","messages":[{"role":"user","content":"call"}],"tools":{{Tools}},"tool_choice":"auto"}""");
        Assert.Equal(200, status);
        Assert.Equal(Tools, _upstream.Request!["tools"]!.ToJsonString());
        Assert.Equal("""[{"id":"t1","type":"function","function":{"name":"weather","arguments":"{\u0022city\u0022:\u0022Ulm\u0022}"}}]""", System.Text.Json.Nodes.JsonNode.Parse(body)!["choices"]![0]!["message"]!["tool_calls"]!.ToJsonString());
    }

    [Fact]
    public async Task A_stream_comes_in_pieces_with_its_usage()
    {
        var text = "";
        var tokens = 0;
        await foreach (var update in Client().CompleteChatStreamingAsync("hello"))
        {
            foreach (var part in update.ContentUpdate) text += part.Text;
            tokens = update.Usage?.OutputTokenCount ?? tokens;
        }
        Assert.Equal("echo hello", text);
        Assert.Equal(3, tokens);
    }

    [Fact]
    public async Task Usage_that_was_not_asked_for_is_logged_but_not_sent()
    {
        var (_, body) = await _served.Post("/v1/chat/completions", """{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}""");
        Assert.DoesNotContain("usage", body);
        Assert.EndsWith("data: [DONE]\n\n", body);
        Assert.Contains("\"out_completion_tokens\":3", await Predictions());
    }

    [Fact]
    public async Task An_unknown_model_is_the_SDKs_own_error()
    {
        var e = await Assert.ThrowsAsync<ClientResultException>(() => Client("nope").CompleteChatAsync("hello"));
        Assert.Equal(404, e.Status);
        Assert.Contains("model_not_found", e.Message);
    }

    [Fact]
    public async Task A_failing_upstream_is_an_error_in_words_and_counted()
    {
        var e = await Assert.ThrowsAsync<ClientResultException>(() => Client().CompleteChatAsync("fail"));
        Assert.Equal(500, e.Status);
        Assert.Equal(1, _served.Server.App.Router.Find("chat")!.Champion.Stats.Errors);
        Assert.DoesNotContain("sk-upstream", e.Message);
    }

    [Fact]
    public async Task A_secret_without_a_value_is_an_error_of_the_deployment()
    {
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("keyless", [1], TimeSpan.Zero, 0, [], null, true, new Upstream(_upstream.Url, "up", "NOT_SET")), null);
        await _served.Ready("keyless");
        var (status, body) = await _served.Post("/v1/chat/completions", """{"model":"keyless","messages":[{"role":"user","content":"hi"}]}""");
        Assert.Equal(503, status);
        Assert.Contains("not_configured", body);
        Assert.Equal(1, _served.Server.App.Router.Find("keyless")!.Champion.Stats.Errors);
    }

    [Theory]
    [InlineData("""{"model":"chat","messages":[],"stream_options":"x"}""")]
    [InlineData("""{"model":"chat","messages":[],"stream_options":{"include_usage":"yes"}}""")]
    [InlineData("""{"model":"chat","model":"chat","messages":[]}""")]
    [InlineData("{")]
    [InlineData("""{"model":"\ud800","messages":[]}""")]
    [InlineData("""{"model":"chat","messages":[{"role":"user","content":"\ud800"}]}""")]
    [InlineData("""{"model":"chat","messages":[{"role":"user","role":"user","content":"x"}]}""")]
    [InlineData("""{"model":"chat","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}""")]
    public async Task A_malformed_chat_request_is_400(string body) => Assert.Equal(400, (await _served.Post("/v1/chat/completions", body)).Status);

    [Fact]
    public async Task A_chunked_chat_request_beyond_the_limit_is_413()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StreamContent(new Endless((32 << 20) + 1)) };
        request.Headers.TransferEncodingChunked = true;
        using var answer = await _served.Http.SendAsync(request);
        Assert.Equal(413, (int)answer.StatusCode);
    }

    [Fact]
    public async Task A_stream_that_breaks_off_ends_with_an_error_event()
    {
        var (_, body) = await _served.Post("/v1/chat/completions", """{"model":"chat","stream":true,"messages":[{"role":"user","content":"cut"}]}""");
        Assert.Contains("\"error\":{\"message\":\"the upstream can't be reached or broke off\"", body);
    }

    [Fact]
    public async Task Requests_tokens_and_latency_are_in_the_prediction_log_and_the_text_is_not()
    {
        await Client().CompleteChatAsync("a private question");
        var log = await Predictions();
        Assert.Contains("\"out_prompt_tokens\":7", log);
        Assert.Contains("\"latency_us\":", log);
        Assert.DoesNotContain("private", log);
    }

    [Fact]
    public async Task Models_lists_the_LLM_deployments()
    {
        var models = new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri(_served.Server.Address, "/v1") }).GetOpenAIModelClient();
        Assert.Equal(["chat"], (await models.GetModelsAsync()).Value.Select(m => m.Id));
    }

    async Task<string> Predictions() => await _served.Http.GetStringAsync("/api/v1/deployments/chat/predictions");
}
