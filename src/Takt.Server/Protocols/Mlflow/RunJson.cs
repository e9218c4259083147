using System.Text.Json;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Runs and metrics in MLflow's JSON.</summary>
static class RunJson
{
    /// <param name="created">The answer to a creation, which has no outputs yet.</param>
    public static void Write(Utf8JsonWriter json, TrackedRun run, bool created = false)
    {
        json.WriteStartObject("info");
        Info(json, run);
        json.WriteEndObject();
        json.WriteStartObject("data");
        Metrics(json, run.Metrics);
        MlflowAnswer.Pairs(json, "params", run.Params);
        MlflowAnswer.Pairs(json, "tags", run.Tags);
        json.WriteEndObject();
        json.WriteStartObject("inputs");
        Inputs(json, run.Inputs);
        json.WriteEndObject();
        if (created) return;
        json.WriteStartObject("outputs");
        if (run.Outputs.Count > 0)
        {
            json.WriteStartArray("model_outputs");
            foreach (var output in run.Outputs)
            {
                json.WriteStartObject();
                json.WriteString("model_id", output.Model);
                json.WriteNumber("step", output.Step);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    public static void Info(Utf8JsonWriter json, TrackedRun run)
    {
        json.WriteString("run_uuid", run.Id);
        json.WriteString("experiment_id", run.Experiment.ToString());
        json.WriteString("run_name", run.Name);
        json.WriteString("user_id", run.User);
        json.WriteString("status", run.Status);
        json.WriteNumber("start_time", run.Started);
        if (run.Ended is { } ended) json.WriteNumber("end_time", ended);
        json.WriteString("artifact_uri", run.ArtifactUri);
        json.WriteString("lifecycle_stage", run.Deleted ? "deleted" : "active");
        json.WriteString("run_id", run.Id);
    }

    /// <summary>Left out when there are none.</summary>
    public static void Metrics(Utf8JsonWriter json, IEnumerable<MetricValue> metrics)
    {
        var any = false;
        foreach (var metric in metrics)
        {
            if (!any) json.WriteStartArray("metrics");
            any = true;
            json.WriteStartObject();
            json.WriteString("key", metric.Key);
            if (double.IsNaN(metric.Value)) json.WriteString("value", "NaN");
            else json.WriteNumber("value", metric.Value);
            json.WriteNumber("timestamp", metric.Time.ToUnixTimeMilliseconds());
            json.WriteNumber("step", metric.Step);
            json.WriteEndObject();
        }
        if (any) json.WriteEndArray();
    }

    static void Inputs(Utf8JsonWriter json, List<RunInput> inputs)
    {
        if (inputs.Count == 0) return;
        json.WriteStartArray("dataset_inputs");
        foreach (var input in inputs)
        {
            json.WriteStartObject();
            MlflowAnswer.Pairs(json, "tags", [.. input.Tags]);
            json.WriteStartObject("dataset");
            json.WriteString("name", input.Name);
            json.WriteString("digest", input.Digest);
            json.WriteString("source_type", input.SourceType);
            json.WriteString("source", input.Source);
            if (input.Schema is not null) json.WriteString("schema", input.Schema);
            if (input.Profile is not null) json.WriteString("profile", input.Profile);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
