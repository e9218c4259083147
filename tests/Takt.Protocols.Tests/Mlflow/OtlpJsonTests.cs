using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Runs.Traces;
using Takt.Server.Protocols.OpenTelemetry;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>OTLP as JSON. <c>otlp-javascript.json</c> and <c>.pb</c> are the same two spans as OpenTelemetry's exporters for JavaScript (0.223.1) wrote them.</summary>
public sealed class OtlpJsonTests
{
    static readonly byte[] Json = File("otlp-javascript.json"), Protobuf = File("otlp-javascript.pb");

    static byte[] File(string name) => System.IO.File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Mlflow", name));

    [Fact]
    public void What_an_exporter_writes_as_JSON_is_what_it_writes_as_protobuf()
    {
        var (json, protobuf) = (OtlpRequest.ParseJson(Json).Spans, OtlpRequest.Parse(Protobuf).Spans);
        Assert.Equal(2, json.Count);
        Assert.Equal(protobuf.Select(SpanText.Of), json.Select(SpanText.Of));
        Assert.Contains(json[1].Attributes, a => a is { Key: "service.name", Value: "shop" }); // the root's
    }

    [Theory]
    [InlineData(null)]
    [InlineData("gzip")]
    public async Task Spans_sent_as_JSON_become_a_trace_and_are_answered_in_JSON(string? encoding)
    {
        await using var server = await MlflowServer.Start();
        var body = Json;
        if (encoding is not null)
        {
            using var packed = new MemoryStream();
            await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(body);
            body = packed.ToArray();
        }
        Assert.Equal((200, "application/json", "{}"), await Export(server, body, encoding));
        var id = $"tr-{Convert.ToHexStringLower(OtlpRequest.ParseJson(Json).Spans[0].Trace)}";
        var trace = JsonNode.Parse((await server.Send("GET", $"/api/3.0/mlflow/traces/get?trace_id={id}")).Body)!["trace"]!;
        Assert.Equal(["ask", "chat gpt"], trace["spans"]!.AsArray().Select(s => (string)s!["name"]!).Order());
        Assert.Contains("\"name\":\"first token\"", trace.ToJsonString());
    }

    [Fact]
    public void Names_numbers_and_values_are_read_as_the_specification_lets_them_be_written()
    {
        var span = Span("""
            "traceId": "0A0b0c0d0e0f000102030405060708FF", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "", "name": null, "future": [{"a": [1]}], "start_time_unix_nano": "7",
            "startTimeUnixNano": 1544712660000000001, "endTimeUnixNano": "18446744073709551615", "status": {"code": 2.0, "details": {}}, "events": null, "links": [{}],
            "attributes": [
                {"key": "a", "value": {"intValue": "-9223372036854775808"}}, {"key": "b", "value": {"intValue": 1e3}}, {"key": "c", "value": {"doubleValue": "-Infinity"}}, {"key": "d", "value": {"doubleValue": 3}},
                {"key": "e", "value": {"bytesValue": "-_8"}}, {"key": "f", "value": {"arrayValue": {"values": [{"boolValue": true}, {}, null]}}}, {"key": "g", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}},
                {"key": "h", "value": {"stringValue": null, "intValue": 5, "newValue": {}}}, {"key": "i"}, {"key": "j", "value": {"arrayValue": {}}}]
            """);
        Assert.Equal((255, 8, 0, ""), (span.Trace[15], span.Id.Length, span.Parent.Length, span.Name));
        Assert.Equal((1544712660000000001UL, ulong.MaxValue, 2), (span.Started, span.Ended, span.Status));
        Assert.Equal([long.MinValue, 1000L, double.NegativeInfinity, 3.0, new byte[] { 251, 255 }, new List<object?> { true, null, null },
            new List<KeyValuePair<string, object?>> { new("k", "v") }, 5L, null, new List<object?>()], span.Attributes.Select(a => a.Value));
        Assert.Empty(span.Events);
    }

    [Theory]
    [InlineData("", "Invalid OpenTelemetry JSON")]
    [InlineData("{}", "no spans found")]
    [InlineData("[]", "at byte 0: this is not an object")]
    [InlineData("""{"resourceSpans": {}}""", "at byte 18: this is not a list")]
    [InlineData("""{"resourceSpans": [{}]} {}""", "Invalid OpenTelemetry JSON")]
    [InlineData("""{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "W47/95gDgQPSabYzgT/GDA=="}]}]}]}""", "traceId is no hexadecimal number")]
    [InlineData("""{"resourceSpans": [{"scopeSpans": [{"spans": [{"status": {"code": "STATUS_CODE_OK"}}]}]}]}""", "not a whole number")]
    [InlineData("""{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": -1}]}]}]}""", "not a time in nanoseconds")]
    [InlineData("""{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\ud800"}]}]}]}""", "Invalid OpenTelemetry JSON")]
    public async Task What_is_no_JSON_of_spans_is_refused_with_its_place(string body, string reason)
    {
        await using var server = await MlflowServer.Start();
        var (status, type, answer) = await Export(server, Encoding.UTF8.GetBytes(body));
        Assert.Equal((400, "application/json"), (status, type));
        Assert.Contains(reason, (string)JsonNode.Parse(answer)!["message"]!);
    }

    [Fact]
    public void JSON_that_is_cut_or_broken_anywhere_is_read_or_refused_and_nothing_else()
    {
        var refused = 0;
        var random = new Random(4);
        for (var i = 0; i < Json.Length + 20_000; i++)
        {
            var bytes = i < Json.Length ? Json[..i] : (byte[])Json.Clone();
            if (i >= Json.Length) for (var n = random.Next(1, 4); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                OtlpRequest.ParseJson(bytes);
            }
            catch (FormatException)
            {
                refused++;
            }
        }
        Assert.True(refused > Json.Length - 1, $"{refused} were refused");
        const string Nest = """{"arrayValue":{"values":[""";
        var deep = $$"""{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k","value":{{string.Concat(Enumerable.Repeat(Nest, 100_000))}}""";
        Assert.Throws<FormatException>(() => OtlpRequest.ParseJson(Encoding.UTF8.GetBytes(deep)));
    }

    static NewSpan Span(string members) => Assert.Single(OtlpRequest.ParseJson(Encoding.UTF8.GetBytes($$"""{"resourceSpans": [{"scopeSpans": [{"spans": [{ {{members}} }]}]}], "unknown": 1}""")).Spans);

    static async Task<(int Status, string Type, string Body)> Export(MlflowServer server, byte[] body, string? encoding = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/traces") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json; charset=utf-8");
        if (encoding is not null) request.Content.Headers.ContentEncoding.Add(encoding);
        request.Headers.Add("x-mlflow-experiment-id", "0");
        using var response = await server.Client.SendAsync(request);
        return ((int)response.StatusCode, response.Content.Headers.ContentType!.MediaType!, await response.Content.ReadAsStringAsync());
    }
}
