using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Protocols.Tests;

/// <summary>Requests that are wrong on the wire or within, by every protocol over HTTP: each is refused in its protocol's form, once, and the server goes on.</summary>
public sealed class BadInputTests(BadInputTests.Fixture fixture) : IClassFixture<BadInputTests.Fixture>
{
    const string Infer = "/v2/models/m/infer", Version = "/v2/models/m/versions/1/infer", Invocations = "/endpoints/m/invocations", Predict = "/v1/models/m:predict";

    /// <summary>What each protocol answers.</summary>
    static readonly Dictionary<string, string> Good = new()
    {
        [Infer] = """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""",
        [Version] = """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""",
        [Invocations] = """{"dataframe_split":{"columns":["x","c"],"data":[[0.1,"a"]]}}""",
        [Predict] = """{"instances":[{"x":0.1,"c":"a"}]}""",
    };

    readonly ServedModel _model = fixture.Model;

    public sealed class Fixture : IAsyncLifetime
    {
        internal ServedModel Model { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Model = await ServedModel.Start();

        public ValueTask DisposeAsync() => Model.DisposeAsync();
    }

    /// <summary>Everything that comes back until the server closes.</summary>
    async Task<string> Exchange(string head, string body, bool ends)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_model.Server.Address.Host, _model.Server.Address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(head.ReplaceLineEndings("\r\n") + "\r\n\r\n" + body));
        if (ends) client.Client.Shutdown(SocketShutdown.Send);
        var answer = new MemoryStream();
        try
        {
            await stream.CopyToAsync(answer);
        }
        catch (IOException)
        {
            // it closed without having read all
        }
        return Encoding.UTF8.GetString(answer.ToArray());
    }

    [Theory]
    [InlineData("https://evil.example", "cross-site", 403)]
    [InlineData("http://localhost:3000", "same-site", 403)]
    [InlineData("https://evil.example", null, 403)]
    [InlineData("null", null, 403)]
    [InlineData("https://takt.example", "same-origin", 200)] // behind a proxy
    [InlineData("own", null, 200)]
    [InlineData(null, null, 200)]
    public async Task A_page_of_another_site_changes_nothing_by_what_browsers_send_without_asking(string? origin, string? site, int expected)
    {
        var name = $"from {origin} {site}";
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/2.0/mlflow/experiments/create") { Content = new StringContent($$"""{"name":"{{name}}"}""", Encoding.UTF8, "application/json") };
        if (origin is not null) request.Headers.Add("Origin", origin == "own" ? _model.Server.Address.GetLeftPart(UriPartial.Authority) : origin);
        if (site is not null) request.Headers.Add("Sec-Fetch-Site", site);
        using var answer = await _model.Http.SendAsync(request);
        Assert.Equal(expected, (int)answer.StatusCode);
        Assert.Equal(expected == 200, await _model.Server.App.Experiments.FindByName(name) is not null);
    }

    static int Answers(string text) => text.Split("HTTP/1.1 ").Length - 1;

    async Task StillAnswers(string path)
    {
        var (status, body) = await _model.Post(path, Good[path]);
        Assert.True(status == 200, body);
    }

    /// <summary>Kestrel breaks off a connection whose client has closed its side in the middle of a body: nobody is told then.</summary>
    static bool EndsInTheMiddle(string fault) => fault is "ends before its length" or "chunks that end in the middle";

    public static IEnumerable<TheoryDataRow<string, string, string, string>> OnTheWire()
    {
        const string Smuggled = "0\r\n\r\nDELETE /api/v1/deployments/m HTTP/1.1\r\nHost: localhost\r\n\r\n";
        foreach (var path in Good.Keys)
            foreach (var (name, headers, body) in new[]
            {
                ("ends before its length", "Content-Length: 500", Good[path]),
                ("length is no number", "Content-Length: abc", Good[path]),
                ("length is below zero", "Content-Length: -1", Good[path]),
                ("length has a sign", "Content-Length: +10", Good[path]),
                ("length is beyond every number", "Content-Length: 99999999999999999999", Good[path]),
                ("two lengths", "Content-Length: 10\nContent-Length: 11", Good[path]),
                ("a list of lengths", "Content-Length: 10, 11", Good[path]),
                ("a space before the colon", "Content-Length : 10", Good[path]),
                ("length and chunks", $"Content-Length: {Smuggled.Length}\nTransfer-Encoding: chunked", Smuggled),
                ("chunks and length", $"Transfer-Encoding: chunked\nContent-Length: 4", Smuggled),
                ("chunks by another name", "Transfer-Encoding: xchunked", Smuggled),
                ("chunks are not the last coding", "Transfer-Encoding: chunked, identity", Smuggled),
                ("a chunk of no size", "Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"),
                ("a chunk beyond every number", "Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"),
                ("a chunk longer than it says", "Transfer-Encoding: chunked", "1\r\n{}\r\n0\r\n\r\n"),
                ("chunks that end in the middle", "Transfer-Encoding: chunked", "500\r\n{\"inputs\""),
                ("two lengths that are the same", "Content-Length: 2\nContent-Length: 2", "{}"),
                ("chunks twice", "Transfer-Encoding: chunked\nTransfer-Encoding: chunked", Smuggled),
                ("chunks after a tab", "Transfer-Encoding:\tchunked\nContent-Length: 4", Smuggled),
                ("a chunk's size with a sign", "Transfer-Encoding: chunked", "+2\r\n{}\r\n0\r\n\r\n"),
                ("a chunk's size in C's form", "Transfer-Encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n"),
                ("a header that goes on in the next line", "X-A: b\n c: d\nContent-Length: 2", "{}"),
                ("a header with a zero byte", "X-A: b\0c\nContent-Length: 2", "{}"),
                ("a header without a name", ": b\nContent-Length: 2", "{}"),
            })
                yield return new(path, name, headers, body);
    }

    [Theory]
    [MemberData(nameof(OnTheWire))]
    public async Task A_request_that_is_wrong_on_the_wire_is_refused_once_and_nothing_is_smuggled_in_behind_it(string path, string fault, string headers, string body)
    {
        var answer = await Exchange($"POST {path} HTTP/1.1\nHost: localhost\nContent-Type: application/json\nConnection: close\n{headers}", body, EndsInTheMiddle(fault));
        if (!EndsInTheMiddle(fault) || answer.Length > 0) Assert.True(answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 501 ", StringComparison.Ordinal), $"{fault}: {answer}");
        Assert.True(Answers(answer) <= 1, $"{fault}: {answer}");
        await StillAnswers(path);
    }

    /// <summary>RFC 9112, section 7.1.1: what a chunk says beside its size is passed over. It is no place for a second request, and no way to send without an end.</summary>
    [Fact]
    public async Task Extensions_of_chunks_are_passed_over_and_bounded()
    {
        foreach (var path in Good.Keys)
        {
            string Chunked(string extension) => $"{Good[path].Length:x}{extension}\r\n{Good[path]}\r\n0\r\n\r\n";
            var head = $"POST {path} HTTP/1.1\nHost: localhost\nContent-Type: application/json\nConnection: close\nTransfer-Encoding: chunked";
            foreach (var extension in (string[])[";a=b", ";a=\"b\"", ";" + new string('x', 2000)])
            {
                var answer = await Exchange(head, Chunked(extension), ends: false);
                Assert.True(Answers(answer) == 1 && answer.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal), answer);
            }
            // a line end within: whoever reads it as the end of the size sees another request behind it
            var split = await Exchange(head, Chunked(";a\nDELETE /api/v1/deployments/m HTTP/1.1\r\nHost: localhost"), ends: false);
            Assert.True(Answers(split) <= 1 && !split.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal), split);
            await StillAnswers(path);
        }
    }

    [Fact]
    public async Task A_length_that_is_too_short_leaves_a_rest_that_is_no_request()
    {
        foreach (var path in Good.Keys)
        {
            var answer = await Exchange($"POST {path} HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 10", Good[path], ends: false);
            Assert.InRange(Answers(answer), 1, 2); // to JSON that is cut off, and to what follows
            Assert.StartsWith("HTTP/1.1 400 ", answer);
            Assert.Equal(Answers(answer), answer.Split("HTTP/1.1 4").Length - 1); // the second where it has waited in vain for the end of a line
            await StillAnswers(path);
        }
    }

    public static IEnumerable<TheoryDataRow<string, string, string>> Within()
    {
        static string Inputs(string x, string c = """{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}""") => $$"""{"inputs":[{{x}},{{c}}]}""";
        foreach (var path in (string[])[Infer, Version])
        {
            yield return new(path, Inputs("""{"name":"x","shape":[1000000000],"datatype":"FP64","data":[0.1]}"""), "1 to 100000 are allowed");
            yield return new(path, Inputs("""{"name":"x","shape":[1000000000,1000000000,1000000000],"datatype":"FP64","data":[0.1]}"""), "has shape [1000000000,1000000000,1000000000]");
            yield return new(path, Inputs("""{"name":"x","shape":[99999999999999999999],"datatype":"FP64","data":[0.1]}"""), "shape holds 99999999999999999999");
            yield return new(path, Inputs("""{"name":"x","shape":[-1],"datatype":"FP64","data":[0.1]}"""), "shape holds -1");
            yield return new(path, Inputs("""{"name":"x","shape":[1.5],"datatype":"FP64","data":[0.1]}"""), "shape holds 1.5");
            yield return new(path, Inputs("""{"name":"x","shape":[1,1,1,1,1,1,1,1,1],"datatype":"FP64","data":[0.1]}"""), "over 8 dimensions");
            yield return new(path, Inputs("""{"name":"x","shape":[1],"datatype":"FP64","data":[NaN]}"""), "not JSON");
            yield return new(path, Inputs("""{"name":"x","shape":[1],"datatype":"FP64","data":["NaN"]}"""), "is no FP64");
            yield return new(path, Inputs("""{"name":"x","shape":[1],"datatype":"FP64","data":[1e999]}"""), "is no FP64");
            yield return new(path, Inputs("""{"name":"x","shape":[1],"datatype":"BYTES","data":["a"]}"""), "has datatype BYTES; the model takes FP64");
            yield return new(path, Inputs("""{"name":"x","shape":[1],"datatype":"FP9","data":[1]}"""), "datatype FP9");
            yield return new(path, Inputs("""{"name":"x","shape":[1],"datatype":"FP64","data":[1]},{"name":"x","shape":[1],"datatype":"FP64","data":[1]}"""), "'x' is given 2 times");
            yield return new(path, Good[Infer][..^3], "not JSON");
            yield return new(path, new string('[', 5000), "");
            yield return new(path, "\u0001", "not JSON");
        }
        foreach (var (path, form) in new[] { (Invocations, """{"dataframe_records":[{"x":VALUE,"c":"a"}]}"""), (Predict, """{"instances":[{"x":VALUE,"c":"a"}]}""") })
        {
            yield return new(path, form.Replace("VALUE", "NaN", StringComparison.Ordinal), "JSON");
            yield return new(path, form.Replace("VALUE", "1e999", StringComparison.Ordinal), "double");
            yield return new(path, form.Replace("VALUE", "\"text\"", StringComparison.Ordinal), "is no double");
            yield return new(path, form.Replace("VALUE", "[[1]]", StringComparison.Ordinal), "");
            yield return new(path, form.Replace("VALUE", "1,\"x\":2", StringComparison.Ordinal), "JSON");
            yield return new(path, form[..^2], "JSON");
            yield return new(path, new string('[', 5000), "JSON");
            yield return new(path, "", "JSON");
        }
        yield return new(Invocations, """{"dataframe_split":{"columns":["x","c","x"],"data":[[1,"a",2]]}}""", "2 times");
        yield return new(Invocations, """{"dataframe_split":{"columns":["x","c"],"data":[[1]]}}""", "has 1 values");
        yield return new(Invocations, """{"inputs":{"x":[1,2],"c":["a"]}}""", "has 1 values");
        yield return new(Predict, """{"inputs":{"x":[1,2],"c":["a"]}}""", "has 1 values");
    }

    [Theory]
    [MemberData(nameof(Within))]
    public async Task A_request_that_is_wrong_within_is_400_in_the_form_of_its_protocol(string path, string body, string message)
    {
        var (status, answer) = await _model.Post(path, body);
        Assert.True(status == 400, $"{status} {answer}");
        var json = JsonNode.Parse(answer)!;
        var said = path == Invocations ? json["message"]!.GetValue<string>() : json["error"]!.GetValue<string>();
        Assert.Contains(message, said);
        await StillAnswers(path);
    }

    [Theory]
    [InlineData("""{"name":"x","shape":[1000000000],"datatype":"FP64","parameters":{"binary_data_size":8}}""", "1 to 100000 are allowed")]
    [InlineData("""{"name":"x","shape":[-1],"datatype":"FP64","parameters":{"binary_data_size":8}}""", "shape holds -1")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":-8}}""", "binary_data_size must be")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8000000000}}""", "binary_data_size must be")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":2000000000}}""", "left of the body")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":8}}""", "has 8 bytes; 1 FP32 are 4")]
    [InlineData("""{"name":"x","shape":[2],"datatype":"FP64","parameters":{"binary_data_size":8}}""", "rows")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP64","data":[1],"parameters":{"binary_data_size":8}}""", "both data and binary_data_size")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":4}},{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":4}}""", "'x' is given 2 times")]
    [InlineData("""{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8""", "not JSON")]
    public async Task Binary_tensors_that_do_not_fit_are_400_in_words(string x, string message)
    {
        var head = Encoding.UTF8.GetBytes("{\"inputs\":[" + x + ",{\"name\":\"c\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"a\"]}]}");
        foreach (var path in (string[])[Infer, Version])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent([.. head, .. BitConverter.GetBytes(0.1)]) };
            request.Headers.Add(InferRequest.HeaderLength, head.Length.ToString());
            using var answer = await _model.Http.SendAsync(request);
            Assert.Equal(400, (int)answer.StatusCode);
            Assert.Contains(message, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]!.GetValue<string>());
            await StillAnswers(path);
        }
    }

    [Fact]
    public void No_memory_is_taken_for_values_that_a_shape_only_claims()
    {
        var signature = _model.Server.App.Router.Find("m")!.Champion.Model!.Signature;
        foreach (var shape in (string[])["1000000000", "100000", "1000000000,1", "50000,2"])
        {
            var body = Encoding.UTF8.GetBytes($$"""{"inputs":[{"name":"x","shape":[{{shape}}],"datatype":"FP64","data":[1]},{"name":"c","shape":[{{shape}}],"datatype":"BYTES","data":["a"]}]}""");
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Throws<TaktException>(() => InferRequest.Parse(body).ToTable(body, signature));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        }
    }

    [Fact]
    public async Task A_client_that_is_slow_to_say_what_it_wants_or_to_send_it_is_cut_off_and_holds_up_nobody()
    {
        var slow = Good.Keys.Select(path => Exchange($"POST {path} HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 500", "{\"in", ends: false))
            .Append(Exchange($"POST {Infer} HTTP/1.1\nHost: localhost\nContent-Type: application/json\nTransfer-Encoding: chunked", "10\r\n{\"in", ends: false)).ToList();
        using var headers = new TcpClient();
        await headers.ConnectAsync(_model.Server.Address.Host, _model.Server.Address.Port);
        await headers.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST {Infer} HTTP/1.1\r\nHost: localhost\r\nX-A:"));
        await StillAnswers(Infer); // meanwhile
        foreach (var answer in await Task.WhenAll(slow)) Assert.StartsWith("HTTP/1.1 408 ", answer);
        var said = new MemoryStream();
        await headers.GetStream().CopyToAsync(said); // until the server closes
        Assert.StartsWith("HTTP/1.1 408 ", Encoding.ASCII.GetString(said.ToArray()));
        await StillAnswers(Infer);
    }
}
