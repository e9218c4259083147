using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Inference;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Protocols.Tests.OpenAI;
using Takt.Runs.Traces;
using Takt.Server;

namespace Takt.Protocols.Tests.Tracing;

/// <summary>Requests as traces: in the store of the server itself, at a collector, and in the prediction log.</summary>
public sealed class ServingTraceTests : IAsyncLifetime
{
    const string Sender = "0af7651916cd43dd8448eb211c80319c";
    const string One = """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""";

    ServedModel _model = null!;

    TaktApp App => _model.Server.App;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start(grpc: true);

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    async Task Traced(DeploymentSpec spec, string? model)
    {
        await App.Deployments.Deploy(spec with { Traces = spec.Traces ?? new(1), Strategy = "all-at-once" }, model);
        while (App.Router.Find(spec.Endpoint)?.Champion.Revision.Spec.Traces is null) await Task.Delay(20);
    }

    static DeploymentSpec Spec(string endpoint) => new(endpoint, [1], TimeSpan.Zero, 0, [], null, true, null);

    async Task<string> Post(string path, string body, string? traceparent = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json") };
        if (traceparent is not null) request.Headers.Add("traceparent", traceparent);
        using var answer = await _model.Http.SendAsync(request);
        return await answer.Content.ReadAsStringAsync();
    }

    async Task<(TraceInfo Trace, List<Span> Spans)> Stored(string id, int spans = 1)
    {
        while (true)
        {
            if (App.Traces.WithSpans(["tr-" + id]) is [var found] && found.Spans.Count >= spans) return found;
            await Task.Delay(20);
        }
    }

    static JsonNode? Attribute(Span span, string name) => JsonNode.Parse(span.Content)!["attributes"]![name] is { } kept ? JsonNode.Parse(kept.GetValue<string>()) : null;

    [Theory]
    [InlineData("/v2/models/m/infer", One, "POST /v2/models/{model}/infer", "parse compute")]
    [InlineData("/v2/models/m/infer", """{"parameters":{"event_time":"2026-01-01T00:00:00Z"},"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""", "POST /v2/models/{model}/infer", "parse parse compute log")]
    [InlineData("/endpoints/m/invocations", """{"dataframe_records":[{"x":0.1,"c":"a"}]}""", "POST /endpoints/{endpoint}/invocations", "parse compute log")]
    public async Task A_request_goes_on_with_its_senders_trace_and_is_kept_with_its_steps(string path, string body, string name, string steps)
    {
        await Traced(Spec("m"), "m@1");
        await Post(path, body, $"00-{Sender}-b7ad6b7169203331-01");
        var (trace, spans) = await Stored(Sender);
        var request = spans.Single(s => s.Parent == "b7ad6b7169203331");
        Assert.Equal((name, "OK", TraceLog.Ok), (request.Name, request.Status, trace.State));
        Assert.Equal(name, trace.Tag(TraceKeys.Name));
        Assert.Equal("m 2 m@1 200", $"{Attribute(request, "takt.endpoint")} {Attribute(request, "takt.revision")} {Attribute(request, "takt.model")} {Attribute(request, "http.response.status_code")}");
        Assert.Equal(steps, string.Join(' ', spans.Where(s => s != request).OrderBy(s => s.Started).ThenBy(s => s.Ended).Select(s => s.Name)));
        Assert.All(spans, s => Assert.True(s == request || (s.Parent == request.Id && s.Started >= request.Started && s.Ended <= request.Ended)));
        Assert.Equal("m", (await App.Experiments.Get(trace.Experiment)).Name);

        var log = App.Predictions.Of("m");
        await log.Flush();
        using var connection = await log.Open();
        var logged = Tables.Query(connection!, "select id, trace_id from predictions");
        Assert.Equal(Sender, logged["trace_id"].Texts[0]);
        Assert.StartsWith(Attribute(request, "takt.prediction_id")!.GetValue<string>(), logged["id"].Texts[0]);
    }

    [Fact]
    public async Task A_sender_that_decided_against_its_trace_is_not_overruled_but_the_log_knows_it()
    {
        await Traced(Spec("m"), "m@1");
        await Post("/v2/models/m/infer", One, $"00-{Sender}-b7ad6b7169203331-00");
        await Post("/v2/models/m/infer", One, "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        await Stored("1af7651916cd43dd8448eb211c80319c"); // the later one is there
        Assert.Empty(App.Traces.Get(["tr-" + Sender]));
        var log = App.Predictions.Of("m");
        await log.Flush();
        using var connection = await log.Open();
        Assert.Equal(1, Tables.Query(connection!, $"select count(*) as n from predictions where trace_id = '{Sender}'")["n"].Integers[0]);
    }

    [Fact]
    public async Task The_log_knows_a_senders_trace_also_where_nobody_takes_traces()
    {
        await App.Deployments.Deploy(Spec("m") with { Strategy = "all-at-once" }, "m@1");
        while (App.Router.Find("m") is null) await Task.Delay(20);
        await Post("/v2/models/m/infer", One, $"00-{Sender}-b7ad6b7169203331-01");
        Assert.False(App.ServingTraces.Source.HasListeners());
        var log = App.Predictions.Of("m");
        await log.Flush();
        using var connection = await log.Open();
        Assert.Equal(Sender, Tables.Query(connection!, "select trace_id from predictions")["trace_id"].Texts[0]);
    }

    [Fact]
    public async Task Nobody_listens_until_a_deployment_wants_traces_and_a_sample_goes_by_the_id()
    {
        Assert.False(App.ServingTraces.Source.HasListeners());
        await Traced(Spec("m") with { Traces = new(0.5, "kept here") }, "m@1");
        Assert.True(App.ServingTraces.Source.HasListeners());
        await Post("/v2/models/m/infer", One, "00-0af7651916cd43dd84ffffffffffffff-b7ad6b7169203331-01"); // above the half
        await Post("/v2/models/m/infer", One, "00-0af7651916cd43dd8400000000000000-b7ad6b7169203331-01");
        var (trace, _) = await Stored("0af7651916cd43dd8400000000000000");
        Assert.Equal("kept here", (await App.Experiments.Get(trace.Experiment)).Name);
        Assert.Empty(App.Traces.Get(["tr-0af7651916cd43dd84ffffffffffffff"]));
        while (App.ServingTraces.Stored < 1) await Task.Delay(20); // counted once it is there
        Assert.Equal((1, 0), (App.ServingTraces.Stored, App.ServingTraces.Dropped));
    }

    [Fact]
    public async Task A_request_without_a_trace_begins_one_and_a_refused_one_is_no_error_of_the_server()
    {
        await Traced(Spec("m"), "m@1");
        await Post("/v2/models/m/infer", "{");
        while (App.ServingTraces.Stored < 1) await Task.Delay(20);
        var experiment = await App.Experiments.FindByName("m");
        var found = Assert.Single(App.Traces.Search(new TraceQuery([experiment!.Id], null, [], 10, null)).Traces);
        var span = Assert.Single(App.Traces.WithSpans([found.Id])[0].Spans, s => s.Parent is null);
        Assert.Equal(("OK", 400), (span.Status, Attribute(span, "http.response.status_code")!.GetValue<int>()));
    }

    [Fact]
    public async Task Over_gRPC_it_is_the_same_by_the_conventions_for_RPC()
    {
        await Traced(Spec("m"), "m@1");
        using var channel = GrpcChannel.ForAddress(_model.Server.GrpcAddress!);
        var client = new GRPCInferenceService.GRPCInferenceServiceClient(channel);
        var request = new ModelInferRequest { ModelName = "m", Inputs = { new ModelInferRequest.Types.InferInputTensor { Name = "x", Datatype = "FP64", Shape = { 1 }, Contents = new() { Fp64Contents = { 0.1 } } }, new ModelInferRequest.Types.InferInputTensor { Name = "c", Datatype = "BYTES", Shape = { 1 }, Contents = new() { BytesContents = { Google.Protobuf.ByteString.CopyFromUtf8("a") } } } } };
        await client.ModelInferAsync(request, new Metadata { { "traceparent", $"00-{Sender}-b7ad6b7169203331-01" } });
        var (_, spans) = await Stored(Sender);
        var span = spans.Single(s => s.Parent == "b7ad6b7169203331");
        Assert.Equal("inference.GRPCInferenceService/ModelInfer", span.Name);
        Assert.Equal("grpc inference.GRPCInferenceService ModelInfer 0", $"{Attribute(span, "rpc.system")} {Attribute(span, "rpc.service")} {Attribute(span, "rpc.method")} {Attribute(span, "rpc.grpc.status_code")}");
        Assert.Contains(spans, s => s.Name == "compute" && s.Parent == span.Id);
    }

    [Fact]
    public async Task An_endpoint_elsewhere_goes_on_with_the_trace_and_a_chat_tells_its_tokens()
    {
        await using var upstream = new UpstreamStub();
        await upstream.Start();
        await Traced(Spec("m"), "m@1");
        await Traced(Spec("far") with { Remote = new RemoteEndpoint($"{_model.Server.Address}v2/models/m", null, TimeSpan.FromSeconds(20), 8, null, null) }, null);
        await Traced(Spec("chat") with { Upstream = new Upstream(upstream.Url, "up", null) }, null);
        await Post("/v2/models/far/infer", One, $"00-{Sender}-b7ad6b7169203331-01");
        var (_, spans) = await Stored(Sender, 8);
        var sent = spans.Single(s => s.Name == "POST");
        Assert.Equal("POST /v2/models/{model}/infer m", $"{spans.Single(s => s.Parent == sent.Id).Name} {Attribute(spans.Single(s => s.Parent == sent.Id), "takt.endpoint")}");
        Assert.Equal("compute", spans.Single(s => s.Id == sent.Parent).Name);

        await Post("/v1/chat/completions", """{"model":"chat","messages":[{"role":"user","content":"hi"}]}""", "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        var (trace, talk) = await Stored("1af7651916cd43dd8448eb211c80319c");
        var chat = talk.Single(s => s.Name == "chat up");
        Assert.Equal("chat up 7 3", $"{Attribute(chat, "gen_ai.operation.name")} {Attribute(chat, "gen_ai.request.model")} {Attribute(chat, "gen_ai.usage.input_tokens")} {Attribute(chat, "gen_ai.usage.output_tokens")}");
        Assert.Equal("CHAT_MODEL", chat.Type);
        Assert.Contains("\"total_tokens\": 10", trace.Fact(TraceKeys.TokenUsage));
    }

    [Fact]
    public async Task A_Python_workers_time_is_a_span_of_its_own()
    {
        var folder = Directory.CreateTempSubdirectory("takt-traced").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "predict.py"), "import time\ndef predict(model, columns):\n    time.sleep(0.05)\n    return {\"y\": columns[\"x\"]}\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "MLmodel"), "flavors: { predict_py: {} }\nsignature:\n  inputs: { x: double }\n  outputs: { y: double }\n");
        await App.Models.Register(new RegisterModel("p", folder, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await Traced(Spec("p") with { Runtime = new RuntimeSettings(Workers: 1) }, "p@1");
        await Post("/endpoints/p/invocations", """{"inputs":{"x":[1,2,3]}}""", $"00-{Sender}-b7ad6b7169203331-01");
        var (_, spans) = await Stored(Sender);
        var (python, compute) = (spans.Single(s => s.Name == "python"), spans.Single(s => s.Name == "compute"));
        Assert.Equal((compute.Id, 3), (python.Parent, Attribute(python, "takt.batch.rows")!.GetValue<int>()));
        Assert.InRange(python.Ended!.Value - python.Started, 50_000_000, compute.Ended!.Value - compute.Started + 1_000_000);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A second server stands for the collector: it takes OTLP.</summary>
    [Fact]
    public async Task A_collector_gets_all_requests_by_the_standards_variables()
    {
        await using var collector = await ServedModel.Start();
        Dictionary<string, string> variables = new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Server.Address.ToString(), ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf", ["OTEL_EXPORTER_OTLP_HEADERS"] = "x-mlflow-experiment-id=0", ["OTEL_BSP_SCHEDULE_DELAY"] = "100", ["OTEL_SERVICE_NAME"] = "answers" };
        foreach (var (name, value) in variables) Environment.SetEnvironmentVariable(name, value);
        ServedModel model;
        try
        {
            model = await ServedModel.Start();
        }
        finally
        {
            foreach (var name in variables.Keys) Environment.SetEnvironmentVariable(name, null);
        }
        await using (model)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer") { Content = new StringContent(One) };
            request.Headers.Add("traceparent", $"00-{Sender}-b7ad6b7169203331-01");
            using var answer = await model.Http.SendAsync(request);
            Assert.True(answer.IsSuccessStatusCode);
            while (collector.Server.App.Traces.WithSpans(["tr-" + Sender]) is not [{ Spans.Count: >= 3 }]) await Task.Delay(50);
            var spans = collector.Server.App.Traces.WithSpans(["tr-" + Sender])[0].Spans;
            Assert.Equal(["POST /v2/models/{model}/infer", "compute", "parse"], spans.Select(s => s.Name).Order(StringComparer.Ordinal));
            Assert.Equal("m", Attribute(spans.Single(s => s.Parent == "b7ad6b7169203331"), "takt.endpoint")!.GetValue<string>());
        }
    }
}
