using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Deployments;

namespace Takt.Protocols.Tests.OpenInference;

public sealed class ProtectionTests : IAsyncLifetime
{
    const string One = """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""";

    ServedModel _model = null!;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    void Limit(LimitSpec limits)
    {
        var (router, old) = (_model.Server.App.Router, _model.Server.App.Router.Find("m")!.Champion);
        router.Set("m", new Route(new Slot(old.Revision with { Spec = old.Revision.Spec with { Limits = limits } }, _model.Server.App.Models.Load(_model.Server.App.Models.Resolve("m@1")).GetAwaiter().GetResult()), null, 0));
    }

    async Task<HttpResponseMessage> Send(string path = "/v2/models/m/infer", string body = One, bool chunked = false, CancellationToken cancel = default, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (chunked) request.Headers.TransferEncodingChunked = true;
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await _model.Http.SendAsync(request, cancel);
    }

    async Task<int> Status(params (string Name, string Value)[] headers)
    {
        using var answer = await Send(headers: headers);
        return (int)answer.StatusCode;
    }

    [Fact]
    public async Task Each_key_of_a_header_has_its_own_rate_and_hears_when_to_come_again()
    {
        Limit(new LimitSpec(0.01, Burst: 2, By: "header X-Api-Key"));
        Assert.Equal((int[])[200, 200], (int[])[await Status(("X-Api-Key", "a")), await Status(("X-Api-Key", "a"))]);
        using var refused = await Send(headers: ("X-Api-Key", "a"));
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 90, 101); // a request each 100 s
        Assert.Contains("'m' takes 0.01 requests a second of one X-Api-Key, 2 at once; try again in", JsonNode.Parse(await refused.Content.ReadAsStringAsync())!["error"]!.GetValue<string>());
        Assert.Equal((int[])[200, 200, 429], (int[])[await Status(("X-Api-Key", "b")), await Status(("X-Api-Key", "b")), await Status(("X-Api-Key", "b"))]);
        Assert.Equal((int[])[200, 200, 429], (int[])[await Status(), await Status(), await Status()]); // who has no key is known by his address
        var metrics = await _model.Http.GetStringAsync("/metrics");
        Assert.Contains("takt_rate_limited_total{endpoint=\"m\",scope=\"server\"} 3\n", metrics);
    }

    [Fact]
    public async Task Every_protocol_asks_the_same_limits_and_refuses_in_its_own_words()
    {
        Limit(new LimitSpec(0.001, Burst: 1));
        Assert.Equal(200, await Status());
        Assert.Equal(429, await Status(("X-Api-Key", "other"))); // one client, whatever it says
        using var invocations = await Send("/endpoints/m/invocations", """{"dataframe_split":{"columns":["x","c"],"data":[[0.1,"a"]]}}""");
        Assert.Equal((429, "REQUEST_LIMIT_EXCEEDED"), ((int)invocations.StatusCode, JsonNode.Parse(await invocations.Content.ReadAsStringAsync())!["error_code"]!.GetValue<string>()));
        Assert.NotNull(invocations.Headers.RetryAfter);
        using var predict = await Send("/v1/models/m:predict", """{"instances":[{"x":0.1,"c":"a"}]}""");
        Assert.Equal(429, (int)predict.StatusCode);
        using var version = await Send("/v2/models/m/versions/1/infer");
        Assert.Equal(429, (int)version.StatusCode);
        using var alias = await Send("/v2/models/m@1/infer");
        Assert.Equal(429, (int)alias.StatusCode);
    }

    [Theory]
    [InlineData("50ms", "")]
    [InlineData("0.05", "")]
    [InlineData(null, ""","parameters":{"timeout":50000}""")]
    public async Task A_request_whose_turn_does_not_come_in_time_is_504_and_is_never_begun(string? header, string parameters)
    {
        var gate = GatedModel.InPlaceOf(_model);
        var first = Send();
        await gate.HasBegun();
        using var late = await Send(body: One[..^1] + parameters + "}", headers: header is null ? [] : [("X-Request-Timeout", header)]);
        Assert.Equal(504, (int)late.StatusCode);
        Assert.Contains("did not come within its 50 ms; it was not begun", await late.Content.ReadAsStringAsync());
        Assert.Equal(0, _model.Server.App.Router.Find("m")!.Champion.Turn.Waiting);
        gate.Open();
        Assert.Equal(200, (int)(await first).StatusCode);
        Assert.Equal(1, gate.Begun);
        Assert.Equal(200, await Status(("X-Request-Timeout", "30s")));
    }

    [Fact]
    public async Task An_endpoint_may_have_a_deadline_of_its_own_and_MLflows_clients_hear_MLflows_words()
    {
        var gate = GatedModel.InPlaceOf(_model, new LimitSpec(Timeout: TimeSpan.FromMilliseconds(40)));
        var first = Send();
        await gate.HasBegun();
        Assert.Equal(504, await Status());
        Assert.Equal(504, await Status(("X-Request-Timeout", "10m"))); // the earlier holds
        using var invocations = await Send("/endpoints/m/invocations", """{"dataframe_split":{"columns":["x","c"],"data":[[0.1,"a"]]}}""");
        Assert.Equal((504, "Request processing time exceeded limit"), ((int)invocations.StatusCode, await invocations.Content.ReadAsStringAsync()));
        gate.Open();
        Assert.Equal(200, (int)(await first).StatusCode); // what has begun is finished, however long it took
    }

    [Theory]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("-1")]
    [InlineData("0")]
    [InlineData("1e9")]
    [InlineData("61m")]
    [InlineData("NaN")]
    public async Task A_deadline_that_is_none_is_400(string header)
    {
        using var answer = await Send(headers: ("X-Request-Timeout", header));
        Assert.Equal(400, (int)answer.StatusCode);
        Assert.Contains("X-Request-Timeout", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_client_that_goes_away_takes_its_waiting_request_with_it()
    {
        var gate = GatedModel.InPlaceOf(_model);
        var turn = _model.Server.App.Router.Find("m")!.Champion.Turn;
        var first = Send();
        await gate.HasBegun();
        using var gone = new CancellationTokenSource();
        Task<HttpResponseMessage>[] waiting = [Send(cancel: gone.Token), Send("/v2/models/m/versions/1/infer", cancel: gone.Token), Send("/endpoints/m/invocations", """{"dataframe_split":{"columns":["x","c"],"data":[[0.1,"a"]]}}""", cancel: gone.Token)];
        while (turn.Waiting < 3) await Task.Delay(5);
        await gone.CancelAsync();
        foreach (var one in waiting) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one);
        while (turn.Waiting > 0) await Task.Delay(5); // the server has noticed
        gate.Open();
        Assert.Equal(200, (int)(await first).StatusCode);
        Assert.Equal((1, 3), (gate.Begun, turn.Gone));
        var metrics = await _model.Http.GetStringAsync("/metrics");
        Assert.Contains("reason=\"CANCELED\"} 3\n", metrics);
    }

    [Fact]
    public async Task More_than_may_wait_get_503_at_once()
    {
        var gate = GatedModel.InPlaceOf(_model, new LimitSpec(Waiting: 1, AtOnce: 1), inside: 0);
        var first = Send();
        await gate.HasBegun();
        var second = Send();
        var turn = _model.Server.App.Router.Find("m")!.Champion.Turn;
        while (turn.Waiting < 1) await Task.Delay(5);
        using var third = await Send();
        Assert.Equal((503, 1), ((int)third.StatusCode, third.Headers.RetryAfter!.Delta!.Value.TotalSeconds));
        gate.Open();
        Assert.Equal((int[])[200, 200], (int[])[(int)(await first).StatusCode, (int)(await second).StatusCode]);
        Assert.Equal((2, 1), (gate.Begun, turn.TurnedAway));
    }

    [Theory]
    [InlineData("/v2/models/m/infer")]
    [InlineData("/endpoints/m/invocations")]
    public async Task Whoever_asks_again_before_its_time_is_refused_when_the_time_has_come(string path)
    {
        var gate = GatedModel.InPlaceOf(_model, new LimitSpec(Waiting: 1, AtOnce: 1), inside: 0);
        var turn = _model.Server.App.Router.Find("m")!.Champion.Turn;
        var first = Send();
        await gate.HasBegun();
        var second = Send();
        while (turn.Waiting < 1) await Task.Delay(5);
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(_model.Server.Address.Host, _model.Server.Address.Port);
        using var reader = new StreamReader(client.GetStream());
        var since = System.Diagnostics.Stopwatch.StartNew();
        for (var request = 0; request < 2; request++) // both on one connection
        {
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"));
            Assert.Equal("HTTP/1.1 503 Service Unavailable", await reader.ReadLineAsync());
            var length = 0;
            while (await reader.ReadLineAsync() is { Length: > 0 } header)
                if (header.StartsWith("Content-Length: ", StringComparison.Ordinal)) length = int.Parse(header[16..]);
            Assert.Equal(length, await reader.ReadBlockAsync(new char[length]));
        }
        Assert.True(since.ElapsedMilliseconds >= 950, $"the second refusal came after {since.ElapsedMilliseconds} ms"); // Retry-After is a second; a clock tick of tolerance
        gate.Open();
        Assert.Equal((int[])[200, 200], (int[])[(int)(await first).StatusCode, (int)(await second).StatusCode]);
    }

    [Theory]
    [InlineData("/v2/models/m/infer")]
    [InlineData("/v2/models/m/versions/1/infer")]
    [InlineData("/endpoints/m/invocations")]
    [InlineData("/v1/models/m:predict")]
    public async Task Whoever_is_turned_away_hears_it_before_its_body_has_come(string path)
    {
        var gate = GatedModel.InPlaceOf(_model, new LimitSpec(0.001, Burst: 3, Waiting: 1, AtOnce: 1), inside: 0);
        var turn = _model.Server.App.Router.Find("m")!.Champion.Turn;
        var first = Send();
        await gate.HasBegun();
        var second = Send();
        while (turn.Waiting < 1) await Task.Delay(5);
        using (var client = new System.Net.Sockets.TcpClient())
        {
            await client.ConnectAsync(_model.Server.Address.Host, _model.Server.Address.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"));
            using var reader = new StreamReader(client.GetStream());
            Assert.Equal("HTTP/1.1 503 Service Unavailable", await reader.ReadLineAsync());
            var headers = new List<string>();
            while (await reader.ReadLineAsync() is { Length: > 0 } header) headers.Add(header);
            Assert.Contains("Retry-After: 1", headers);
        }
        Assert.Equal(1, turn.TurnedAway);
        gate.Open();
        Assert.Equal((int[])[200, 200], (int[])[(int)(await first).StatusCode, (int)(await second).StatusCode]);
        Assert.Equal((int[])[200, 429], (int[])[await Status(), await Status()]); // it cost its key nothing
    }

    [Fact]
    public async Task Larger_bodies_and_more_rows_than_an_endpoint_takes_are_413()
    {
        Limit(new LimitSpec(Body: 1000, Rows: 2));
        Assert.Equal(200, await Status());
        var long_ = One[..^1] + ",\"x\":\"" + new string('x', 1000) + "\"}";
        foreach (var path in (string[])["/v2/models/m/infer", "/v2/models/m/versions/1/infer", "/endpoints/m/invocations", "/v1/models/m:predict"])
            foreach (var chunked in (bool[])[false, true])
            {
                using var answer = await Send(path, long_, chunked);
                Assert.Equal(413, (int)answer.StatusCode);
            }
        var rows = """{"inputs":[{"name":"x","shape":[3],"datatype":"FP64","data":[0.1,0.2,0.3]},{"name":"c","shape":[3],"datatype":"BYTES","data":["a","a","a"]}]}""";
        foreach (var body in (string[])[rows, rows[..^1] + ",\"parameters\":{}}"]) // the short way and the long one
        {
            using var answer = await Send(body: body);
            Assert.Equal(413, (int)answer.StatusCode);
            Assert.Equal("the request has 3 rows; 'm' takes 2: split it", JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]!.GetValue<string>());
        }
        using var csv = await _model.Http.PostAsync("/endpoints/m/invocations", new StringContent("x,c\n1,a\n1,a\n1,a\n", Encoding.UTF8, "text/csv"));
        Assert.Equal(413, (int)csv.StatusCode);
        Assert.Equal(0, _model.Server.App.Router.Find("m")!.Champion.Stats.Errors); // not the revision's fault
    }

    [Fact]
    public async Task A_server_that_is_told_to_stop_answers_what_is_under_way()
    {
        var gate = GatedModel.InPlaceOf(_model);
        var first = Send();
        await gate.HasBegun();
        var second = Send();
        while (_model.Server.App.Router.Find("m")!.Champion.Turn.Waiting < 1) await Task.Delay(5);
        var stop = _model.Server.Stop(TimeSpan.FromSeconds(30));
        await Assert.ThrowsAsync<HttpRequestException>(async () =>
        {
            while (true)
            {
                using var other = new HttpClient { BaseAddress = _model.Server.Address };
                _ = await other.GetAsync("/health"); // until nobody listens any more
            }
        });
        Assert.False(first.IsCompleted || second.IsCompleted || stop.IsCompleted);
        gate.Open();
        Assert.Equal((int[])[200, 200], (int[])[(int)(await first).StatusCode, (int)(await second).StatusCode]);
        await stop;
    }

    [Fact]
    public async Task What_takes_longer_than_the_grace_is_broken_off()
    {
        var gate = GatedModel.InPlaceOf(_model);
        var first = Send();
        await gate.HasBegun();
        var second = Send();
        while (_model.Server.App.Router.Find("m")!.Champion.Turn.Waiting < 1) await Task.Delay(5);
        await _model.Server.Stop(TimeSpan.FromMilliseconds(200)); // returns
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => first);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => second);
        Assert.Equal(1, gate.Begun);
        gate.Open();
    }
}
