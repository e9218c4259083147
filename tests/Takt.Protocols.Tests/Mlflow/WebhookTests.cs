using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Takt.Server;

namespace Takt.Protocols.Tests.Mlflow;

public sealed class WebhookTests : IAsyncLifetime
{
    const string Api = "/api/2.0/mlflow";
    readonly string _folder = Directory.CreateTempSubdirectory("takt-hooks").FullName;
    readonly ConcurrentQueue<(string Body, string Id, string Time, string Signature)> _seen = new();
    readonly SemaphoreSlim _came = new(0);
    int _refuse, _silent;
    WebApplication _receiver = null!;
    TaktServer? _server;
    HttpClient _http = null!;
    string _url = "";

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0));
        _receiver = builder.Build();
        _receiver.MapPost("/hook", async (HttpContext http) =>
        {
            var body = await new StreamReader(http.Request.Body).ReadToEndAsync();
            _seen.Enqueue((body, http.Request.Headers["X-MLflow-Delivery-Id"]!, http.Request.Headers["X-MLflow-Timestamp"]!, http.Request.Headers["X-MLflow-Signature"].ToString()));
            _came.Release();
            if (http.Request.Query.ContainsKey("endless"))
            {
                await http.Response.WriteAsync("tak");
                await http.Response.Body.FlushAsync();
                await Task.Delay(Timeout.Infinite, http.RequestAborted);
            }
            if (Interlocked.Decrement(ref _silent) >= 0) await Task.Delay(Timeout.Infinite, http.RequestAborted);
            return Interlocked.Decrement(ref _refuse) >= 0 ? Results.StatusCode(503) : Results.Text("taken");
        });
        await _receiver.StartAsync();
        _url = _receiver.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/hook";
        await Start();
    }

    async Task Start()
    {
        var folder = new TaktFolder(_folder, Path.Combine(_folder, ".takt"));
        _server = await TaktServer.Start(folder, "127.0.0.1", 0, TaktOptions.Read(folder) with { Testing = true });
        _http = new HttpClient { BaseAddress = _server.Address };
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        await _receiver.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<(int Status, string Body)> Send(string method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Api + path);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await _http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    async Task<string> Hook(string secret = "") =>
        (string)JsonNode.Parse((await Send("POST", "/webhooks", $$"""{"name":"h","url":"{{_url}}","secret":"{{secret}}","events":[{"entity":"REGISTERED_MODEL","action":"CREATED"}]}""")).Body)!["webhook"]!["webhook_id"]!;

    async Task<(string Body, string Id, string Time, string Signature)> Next()
    {
        Assert.True(await _came.WaitAsync(TimeSpan.FromSeconds(30)), "no delivery came");
        Assert.True(_seen.TryDequeue(out var delivery));
        return delivery;
    }

    [Fact]
    public async Task A_change_is_told_signed_and_the_secret_is_in_no_answer_and_not_readable_in_the_database()
    {
        await Hook("hush-hush");
        Assert.Equal(200, (await Send("POST", "/registered-models/create", """{"name":"m","description":"d","tags":[{"key":"a","value":"b"}]}""")).Status);
        var (body, id, time, signature) = await Next();
        var json = JsonNode.Parse(body)!;
        Assert.Equal(("registered_model", "created"), ((string)json["entity"]!, (string)json["action"]!));
        Assert.Equal("""{"name":"m","tags":{"a":"b"},"description":"d"}""", json["data"]!.ToJsonString());
        Assert.Equal("v1," + Convert.ToBase64String(HMACSHA256.HashData("hush-hush"u8.ToArray(), Encoding.UTF8.GetBytes($"{id}.{time}.{body}"))), signature);
        Assert.DoesNotContain("hush", (await Send("GET", "/webhooks")).Body);
        Assert.DoesNotContain("secret", (await Send("GET", "/webhooks")).Body);
        await _server!.DisposeAsync();
        _server = null;
        foreach (var file in Directory.GetFiles(Path.Combine(_folder, ".takt"), "takt.db*")) Assert.DoesNotContain("hush-hush", Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file)));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 1)] // the server stops with the delivery in hand, and gives it back
    public async Task A_delivery_that_was_refused_or_not_answered_comes_again_after_a_restart_under_the_same_id(int refuse, int silent)
    {
        await Hook();
        (_refuse, _silent) = (refuse, silent);
        Assert.Equal(200, (await Send("POST", "/registered-models/create", """{"name":"m"}""")).Status);
        var first = await Next();
        await _server!.DisposeAsync();
        await Start();
        var again = await Next();
        Assert.Equal((first.Id, first.Body, ""), (again.Id, again.Body, again.Signature));
    }

    [Fact]
    public async Task An_answer_without_an_end_holds_nothing_up_and_its_status_counts()
    {
        var webhook = _server!.App.Webhooks.Get(default, await Hook());
        using var sender = new Takt.Server.Protocols.Webhooks.WebhookSender(_server.App.Webhooks, TimeProvider.System, TimeSpan.FromSeconds(1));
        var result = await sender.Test(webhook with { Url = _url + "?endless" }, webhook.Events[0], TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.Equal((200, "tak", null), (result.Status, result.Body, result.Error));
    }

    [Fact]
    public async Task A_test_sends_an_example_and_tells_what_was_answered()
    {
        var id = await Hook();
        var result = JsonNode.Parse((await Send("POST", $"/webhooks/{id}/test", """{"event":{"entity":"PROMPT_VERSION","action":"CREATED"}}""")).Body)!["result"]!;
        Assert.Equal((true, 200, "taken"), ((bool)result["success"]!, (int)result["response_status"]!, (string)result["response_body"]!));
        Assert.Equal("Hello {{name}}!", (string?)JsonNode.Parse((await Next()).Body)!["data"]!["template"]);
    }

    [Theory]
    [InlineData("http://example.com/x", "Allowed schemes are: https.")]
    [InlineData("ftp://example.com/x", "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https.")]
    [InlineData("example.com", "Allowed schemes are: https.")]
    public async Task Only_https_is_told_and_http_on_this_machine_while_testing(string url, string message)
    {
        var (status, body) = await Send("POST", "/webhooks", $$"""{"name":"h","url":"{{url}}","events":[{"entity":"PROMPT","action":"CREATED"}]}""");
        Assert.Equal(400, status);
        Assert.Contains(message, body);
        await using var strict = await MlflowServer.Start();
        Assert.Equal(400, (await strict.Send("POST", Api + "/webhooks", $$"""{"name":"h","url":"{{_url}}","events":[{"entity":"PROMPT","action":"CREATED"}]}""")).Status);
        Assert.Equal(200, (await strict.Send("POST", Api + "/webhooks", """{"name":"h","url":"https://example.com/x","events":[{"entity":"PROMPT","action":"CREATED"}]}""")).Status);
    }
}
