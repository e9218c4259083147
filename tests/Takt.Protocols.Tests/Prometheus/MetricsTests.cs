using System.Text;
using Takt.Deployments;
using Takt.Server.Protocols.Prometheus;

namespace Takt.Protocols.Tests.Prometheus;

public sealed class MetricsTests : IAsyncLifetime
{
    const string Two = """{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[0.1,0.9]},{"name":"c","shape":[2],"datatype":"BYTES","data":["a","b"]}]}""";

    ServedModel _model = null!;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    async Task<Exposition> Scrape()
    {
        using var answer = await _model.Http.GetAsync("/metrics");
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
        return Exposition.Parse(await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task What_was_asked_is_counted_under_OpenTelemetrys_and_Tritons_names()
    {
        for (var i = 0; i < 3; i++) Assert.Equal(200, (await _model.Post("/v2/models/m/infer", Two)).Status);
        Assert.Equal(200, (await _model.Post("/v2/models/m/versions/1/infer", Two)).Status);
        Assert.Equal(400, (await _model.Post("/v2/models/m/infer", "{}")).Status);
        Assert.Equal(404, (await _model.Post("/v2/models/none/infer", Two)).Status);
        Assert.Equal(200, (await _model.Post("/endpoints/m/invocations", """{"dataframe_split":{"columns":["x","c"],"data":[[0.1,"a"]]}}""")).Status);
        var metrics = await Scrape();

        (string, string)[] model = [("model", "m"), ("version", "1")];
        Assert.Equal(5, metrics.Value("nv_inference_request_success", model));
        Assert.Equal(9, metrics.Value("nv_inference_count", model));
        Assert.Equal(5, metrics.Value("nv_inference_exec_count", model));
        Assert.Equal(0, metrics.Value("nv_inference_pending_request_count", model));
        Assert.Equal(["BACKEND", "CANCELED", "REJECTED"], metrics.Find("nv_inference_request_failure", model).Select(s => s.Labels["reason"]).Order());
        Assert.True(metrics.Value("nv_inference_request_duration_us", model) >= metrics.Value("nv_inference_compute_infer_duration_us", model));
        Assert.True(metrics.Value("nv_inference_compute_infer_duration_us", model) > 0);

        double Asked(string route, int status, params (string, string)[] more) => metrics.Value("http_server_request_duration_seconds_count",
            [("http_request_method", "POST"), ("http_route", route), ("http_response_status_code", status.ToString()), .. more]);
        Assert.Equal(4, Asked("/v2/models/{model}/infer", 200, ("takt_endpoint", "m"), ("takt_revision", "1")));
        Assert.Equal(1, Asked("/v2/models/{model}/infer", 400, ("takt_endpoint", "m"), ("takt_revision", "")));
        Assert.Equal(1, Asked("/v2/models/{model}/infer", 404));
        Assert.Equal(1, Asked("/endpoints/{endpoint}/invocations", 200, ("takt_endpoint", "m"), ("takt_revision", "1")));
        Assert.Equal("histogram", metrics.Families["http_server_request_duration_seconds"].Type);

        Assert.Equal(1, metrics.Value("takt_deployment_ready", ("endpoint", "m")));
        Assert.Equal(1, metrics.Value("takt_rollout_state", ("endpoint", "m"), ("state", "succeeded")));
        Assert.Equal(1, metrics.Find("takt_rollout_state", ("endpoint", "m")).Sum(s => s.Value));
        Assert.Equal(1, metrics.Value("takt_revision_traffic_ratio", ("endpoint", "m"), ("role", "champion"), ("model", "m@1")));
        Assert.Equal(9, metrics.Value("takt_prediction_log_logged_total", ("endpoint", "m")));
        Assert.Equal(0, metrics.Value("takt_prediction_log_dropped_total", ("endpoint", "m")));
        Assert.Equal(1, metrics.Value("takt_database_up"));
        Assert.InRange(metrics.Value("process_resident_memory_bytes"), 10e6, 10e9);
        Assert.True(metrics.Value("process_cpu_seconds_total") > 0);
        Assert.Equal(3, metrics.Find("dotnet_gc_collections_total").Count());
    }

    [Fact]
    public async Task Counters_only_grow_and_paths_that_are_not_there_make_one_series()
    {
        for (var i = 0; i < 20; i++) _ = await _model.Http.GetAsync($"/nothing/{i}");
        var first = await Scrape();
        _ = await _model.Post("/v2/models/m/infer", Two);
        _ = await _model.Http.GetAsync("/nothing/more");
        var second = await Scrape();
        Assert.Equal(20, Assert.Single(first.Find("http_server_request_duration_seconds_count", ("http_response_status_code", "404"))).Value);
        Assert.Equal(21, Assert.Single(second.Find("http_server_request_duration_seconds_count", ("http_response_status_code", "404"))).Value);
        foreach (var family in first.Families.Values.Where(f => f.Type is "counter" or "histogram"))
            foreach (var sample in family.Samples)
                Assert.True(second.Find(sample.Name, [.. sample.Labels.Select(l => (l.Key, l.Value))]).Any(s => s.Value >= sample.Value && s.Labels.Count == sample.Labels.Count), sample.Name);
    }

    [Fact]
    public async Task Series_of_a_revision_go_when_it_goes()
    {
        _ = await _model.Post("/v2/models/m/infer", Two);
        Assert.NotEmpty((await Scrape()).Find("http_server_request_duration_seconds_count", ("takt_revision", "1")));
        await _model.Server.App.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], null, true, null, Strategy: "all-at-once"), "m@1");
        while (_model.Server.App.Router.Find("m")!.Champion.Revision.Number != 2 || _model.Server.App.Router.Find("m")!.Challenger is not null) await Task.Delay(20);
        _ = await _model.Post("/v2/models/m/infer", Two);
        var metrics = await Scrape();
        Assert.Empty(metrics.Find("http_server_request_duration_seconds_count", ("takt_revision", "1")));
        Assert.Empty(metrics.Find("nv_inference_count", ("version", "1")));
        Assert.Equal(2, metrics.Value("nv_inference_count", ("model", "m"), ("version", "2")));
        Assert.Equal(2, metrics.Value("takt_rollout_revision", ("endpoint", "m")));
    }

    [Fact]
    public void Whatever_a_label_holds_it_comes_back()
    {
        string[] odd = ["", "a\"b", "back\\slash", "line\nbreak", "\\n", "ü🙂", "a,b=\"c\"}", " "];
        var text = new MetricsText();
        text.Family("x", "gauge", "Help with \\ and\na line.");
        foreach (var value in odd) text.Sample(1.5, ("name", value), ("other", value));
        text.Family("empty", "gauge", "Without a sample nothing is written.");
        text.Family("y", "gauge", "Numbers.");
        double[] numbers = [0, -1.5, 1e300, 5e-324, double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0.1, 123456789012];
        for (var i = 0; i < numbers.Length; i++) text.Sample(numbers[i], ("i", i.ToString()));
        var histogram = new DurationHistogram();
        foreach (var seconds in (double[])[0, 0.00005, 0.00006, 1, 11]) histogram.Count(TimeSpan.FromSeconds(seconds));
        text.Family("h_seconds", "histogram", "Durations.");
        text.Histogram(histogram, ("a", "b"));
        var read = Exposition.Parse(text.ToUtf8());
        Assert.Equal(odd, read.Find("x").Select(s => s.Labels["name"]));
        Assert.Equal(odd, read.Find("x").Select(s => s.Labels["other"]));
        Assert.DoesNotContain("empty", read.Families.Keys);
        Assert.Equal(numbers, read.Find("y").Select(s => s.Value));
        Assert.Equal([2, 3, 4, 4, 5], ((string[])["5E-05", "0.0001", "1", "10", "+Inf"]).Select(le => read.Value("h_seconds_bucket", ("le", le))));
        Assert.Equal(5, read.Value("h_seconds_count", ("a", "b")));
    }

    [Fact]
    public void There_are_never_more_series_than_are_allowed()
    {
        var durations = new HttpDurations();
        for (var i = 0; i < 10_000; i++) durations.Count(new("GET", "/x", 200, "e", i + 1), TimeSpan.FromMilliseconds(1));
        Assert.InRange(durations.Series.Count(), 4000, 4100);
        Assert.Equal(10_000, durations.Series.Sum(s => s.Value.Cumulative()[^1])); // none is lost
        durations.Forget(key => key.Revision > 1);
        durations.Count(new("GET", "/x", 200, "e", 2), TimeSpan.FromMilliseconds(1));
        Assert.Contains(durations.Series, s => s.Key.Revision == 2);
    }
}
