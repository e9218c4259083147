using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Deployments;
using Route = Takt.Deployments.Route;

namespace Takt.Server.Protocols.Prometheus;

/// <summary><c>GET /metrics</c> in Prometheus' text format: OpenTelemetry's names for requests and the runtime, Triton's <c>nv_inference_*</c> for models, Prometheus' own for the process, and <c>takt_*</c>.</summary>
public static class MetricsApi
{
    public static void MapMetrics(this IEndpointRouteBuilder routes, TaktApp app) => routes.MapGet("/metrics", () => Results.Bytes(Write(app), MetricsText.ContentType));

    static byte[] Write(TaktApp app)
    {
        var text = new MetricsText();
        Build(text);
        var slots = app.Router.Endpoints.Order(StringComparer.Ordinal).Select(app.Router.Find).OfType<Route>().ToList();
        Requests(text, app, slots);
        Inference(text, slots);
        Traffic(text, slots);
        Logs(text, app, slots);
        Health(text, app);
        Rows(text, app);
        ProcessMetrics.Write(text);
        return text.ToUtf8();
    }

    static void Build(MetricsText text)
    {
        text.Family("takt_build_info", "gauge", "Takt's version, as a label of a constant 1.");
        text.Sample(1, ("version", TaktHost.Version));
    }

    static void Requests(MetricsText text, TaktApp app, List<Route> routes)
    {
        var loaded = routes.SelectMany(r => new[] { r.Champion, r.Challenger }).OfType<Slot>().Select(s => (s.Revision.Endpoint, s.Revision.Number)).ToHashSet();
        app.Durations.Forget(key => key.Revision > 0 && !loaded.Contains((key.Endpoint, key.Revision)));
        text.Family("http_server_request_duration_seconds", "histogram", "Duration of HTTP server requests (OpenTelemetry's http.server.request.duration), by route and, where a model answered, by endpoint and revision.");
        foreach (var (key, histogram) in app.Durations.Series.OrderBy(s => s.Key.Route, StringComparer.Ordinal).ThenBy(s => s.Key.Method, StringComparer.Ordinal).ThenBy(s => s.Key.Status).ThenBy(s => s.Key.Endpoint, StringComparer.Ordinal).ThenBy(s => s.Key.Revision).ThenBy(s => s.Key.Grpc, StringComparer.Ordinal))
        {
            (string, string)[] labels = [("http_request_method", key.Method), ("http_route", key.Route), ("http_response_status_code", key.Status.ToString())];
            if (key.Grpc is { } status) labels = [.. labels, ("rpc_grpc_status_code", status)];
            text.Histogram(histogram, key.Endpoint.Length == 0 ? labels : [.. labels, ("takt_endpoint", key.Endpoint), ("takt_revision", key.Revision > 0 ? key.Revision.ToString() : "")]);
        }
    }

    /// <summary>Of the loaded revisions, as Triton 2.x names and means them; model is the endpoint, version its revision.</summary>
    static void Inference(MetricsText text, List<Route> routes)
    {
        // a shadow that a deployment keeps has its champion's number: takt_shadow_* tells of those
        var slots = routes.SelectMany(r => new[] { r.Champion, r.Challenger }.OfType<Slot>().Concat(r.Shadows.Select(s => s.Slot).Where(s => s.Revision.Number != r.Champion.Revision.Number))).Distinct().ToList();
        void Each(string name, string type, string help, Func<Slot, double> value)
        {
            text.Family(name, type, help);
            foreach (var slot in slots) text.Sample(value(slot), ("model", slot.Revision.Endpoint), ("version", slot.Version));
        }
        Each("nv_inference_request_success", "counter", "Number of successful inference requests, all batch sizes.", s => s.Stats.Requests - s.Stats.Errors);
        text.Family("nv_inference_request_failure", "counter", "Number of failed inference requests, by reason.");
        foreach (var slot in slots)
            foreach (var (reason, count) in (ReadOnlySpan<(string, long)>)[("BACKEND", slot.Stats.Errors), ("REJECTED", slot.Turn.TurnedAway + slot.Turn.Late), ("CANCELED", slot.Turn.Gone)])
                text.Sample(count, ("model", slot.Revision.Endpoint), ("version", slot.Version), ("reason", reason));
        Each("nv_inference_count", "counter", "Number of inferences performed: every row of a request counts.", s => s.Stats.Rows);
        Each("nv_inference_exec_count", "counter", "Number of model executions performed.", s => s.Stats.Requests);
        Each("nv_inference_request_duration_us", "counter", "Cumulative inference request duration in microseconds, queue and compute.", s => Math.Round((s.Stats.Computed + s.Stats.Queued).TotalMicroseconds));
        Each("nv_inference_queue_duration_us", "counter", "Cumulative inference queuing duration in microseconds.", s => Math.Round(s.Stats.Queued.TotalMicroseconds));
        Each("nv_inference_compute_infer_duration_us", "counter", "Cumulative compute inference duration in microseconds.", s => Math.Round(s.Stats.Computed.TotalMicroseconds));
        Each("nv_inference_pending_request_count", "gauge", "Number of requests that wait for their turn.", s => s.Turn.Waiting);
    }

    static void Traffic(MetricsText text, List<Route> routes)
    {
        text.Family("takt_revision_traffic_ratio", "gauge", "Share of the endpoint's requests that go to a loaded revision, 0 to 1.");
        foreach (var route in routes)
        {
            text.Sample(1 - route.Share, Labels(route.Champion, "champion"));
            if (route.Challenger is { } challenger) text.Sample(route.Share, Labels(challenger, "challenger"));
        }
        text.Family("takt_rate_limited_total", "counter", "Requests that this server refused with 429 since the limits were set.");
        foreach (var route in routes)
            if (route.Rate is { } rate) text.Sample(rate.Refused, ("endpoint", route.Champion.Revision.Endpoint), ("scope", Scope(route)));
        text.Family("takt_rate_limit_requests_per_second", "gauge", "Requests a second of one key that this server takes: of a shared limit its part.");
        foreach (var route in routes)
            if (route.Rate is { } rate) text.Sample(rate.PerSecond / rate.Parts, ("endpoint", route.Champion.Revision.Endpoint), ("scope", Scope(route)));
        void Shadows(string name, string help, Func<Shadow, double> value)
        {
            text.Family(name, "counter", help);
            foreach (var route in routes)
                foreach (var shadow in route.Shadows) text.Sample(value(shadow), ("endpoint", shadow.Slot.Revision.Endpoint), ("model", shadow.Slot.Name), ("revision", shadow.Slot.Version));
        }
        Shadows("takt_shadow_requests_total", "Copied requests that a shadow answered or failed.", s => s.Slot.Stats.Requests);
        Shadows("takt_shadow_errors_total", "Copied requests that a shadow failed.", s => s.Slot.Stats.Errors);
        Shadows("takt_shadow_dropped_total", "Copies that were dropped because the shadow was too slow.", s => s.Dropped);
    }

    static void Logs(MetricsText text, TaktApp app, List<Route> routes)
    {
        var logs = app.Predictions.Open.OrderBy(l => l.Key, StringComparer.Ordinal).ToList();
        void Each(string name, string type, string help, Func<PredictionLog, double> value)
        {
            text.Family(name, type, help);
            foreach (var (endpoint, log) in logs) text.Sample(value(log), ("endpoint", endpoint));
        }
        text.Family("takt_serving_traces_kept_total", "counter", "Requests that were kept as traces.");
        text.Sample(app.ServingTraces.Stored);
        text.Family("takt_serving_traces_dropped_total", "counter", "Requests that were not kept as traces because the database was too slow, or refused.");
        text.Sample(app.ServingTraces.Dropped);
        Each("takt_prediction_log_logged_total", "counter", "Predictions taken into the log since it was opened.", l => l.Logged);
        Each("takt_prediction_log_dropped_total", "counter", "Predictions that were not logged because the disk was too slow for too long, or refused.", l => l.Dropped);
        Each("takt_prediction_log_queued_bytes", "gauge", "Bytes of predictions that wait for the disk.", l => l.WaitingBytes);
        Each("takt_prediction_log_faulty", "gauge", "1 while the disk refuses the log.", l => l.Fault is null ? 0 : 1);
        Each("takt_prediction_log_lost_total", "counter", "Predictions that were answered and not on the disk yet when a process before this one was killed.", l => l.Lost);
        Each("takt_prediction_log_unshared_segments", "gauge", "Finished files that only this server can read so far.", l => l.Unshared.Files);
        Each("takt_prediction_log_unshared_bytes", "gauge", "Bytes of finished files that only this server can read so far.", l => l.Unshared.Bytes);
        Each("takt_prediction_log_sharing_faulty", "gauge", "1 while what this server wrote can't be given to the others.", l => l.SharingFault is null ? 0 : 1);
        text.Family("takt_prediction_log_unlogged_total", "counter", "Requests that could not be logged because their log could not be opened.");
        text.Sample(app.Router.Unlogged);
    }

    static void Health(MetricsText text, TaktApp app)
    {
        text.Family("takt_dependency_up", "gauge", "1 while what this server depends on answers, as of the last time that it was asked: every 2 s the database, every 10 s the store.");
        foreach (var part in (string[])[Outages.Database, Outages.Store]) text.Sample(app.Outages.Of(part) is null ? 1 : 0, ("dependency", part));
        text.Family("takt_replicas_live", "gauge", "Servers that serve models on this database and live, as this one sees it.");
        text.Sample(app.Fleet?.Live ?? 1);
    }

    /// <summary>What rows tell; when they can't be read, that they can't.</summary>
    static void Rows(MetricsText text, TaktApp app)
    {
        IReadOnlyList<Deployment> deployments = [];
        IReadOnlyList<Monitors.MonitorWindow> windows = [];
        var up = true;
        try
        {
            deployments = app.Deployments.List();
            windows = app.Monitors.Table.Newest();
        }
        catch (TaktException)
        {
            up = false;
        }
        text.Family("takt_database_up", "gauge", "1 when the rows could be read for this scrape.");
        text.Sample(up ? 1 : 0);
        text.Family("takt_deployment_ready", "gauge", "1 when this server has the revision in charge loaded.");
        foreach (var d in deployments) text.Sample(app.Router.Find(d.Endpoint) is null ? 0 : 1, ("endpoint", d.Endpoint));
        text.Family("takt_rollout_state", "gauge", "State of the endpoint's newest rollout: 1 for the state that it is in, 0 for the others.");
        foreach (var d in deployments)
            if (d.Rollout is { } rollout)
                foreach (var state in Enum.GetValues<RolloutState>()) text.Sample(state == rollout.State ? 1 : 0, ("endpoint", d.Endpoint), ("state", Name(state)));
        text.Family("takt_rollout_revision", "gauge", "Revision of the endpoint's newest rollout.");
        foreach (var d in deployments)
            if (d.Rollout is { } rollout) text.Sample(rollout.Revision, ("endpoint", d.Endpoint));
        text.Family("takt_monitor_drift_psi", "gauge", "Population stability index of a column in the monitor's newest window.");
        foreach (var window in windows)
            foreach (var drift in window.Drift.DistinctBy(d => d.Column)) text.Sample(drift.Psi, ("monitor", window.Monitor), ("column", drift.Column));
        text.Family("takt_monitor_performance", "gauge", "A metric on the labelled rows of the monitor's newest window.");
        foreach (var window in windows)
            foreach (var (metric, value) in window.Performance.OrderBy(p => p.Key, StringComparer.Ordinal)) text.Sample(value, ("monitor", window.Monitor), ("metric", metric));
        text.Family("takt_monitor_alerting", "gauge", "1 when the monitor's newest window raised an alert.");
        foreach (var window in windows) text.Sample(window.Verdict == "alert" ? 1 : 0, ("monitor", window.Monitor));
        text.Family("takt_monitor_window_rows", "gauge", "Predictions in the monitor's newest window.");
        foreach (var window in windows) text.Sample(window.Rows, ("monitor", window.Monitor));
        text.Family("takt_monitor_window_end_timestamp_seconds", "gauge", "End of the monitor's newest window, in event time.");
        foreach (var window in windows) text.Sample(window.End.ToUnixTimeMilliseconds() / 1000.0, ("monitor", window.Monitor));
    }

    static string Scope(Route route) => route.Limits?.Shared == true ? "shared" : "server";

    static string Name(RolloutState state) => state == RolloutState.RolledBack ? "rolled-back" : state.ToString().ToLowerInvariant();

    static (string, string)[] Labels(Slot slot, string role) => [("endpoint", slot.Revision.Endpoint), ("revision", slot.Version), ("model", slot.Name), ("role", role)];
}
