using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Runs and metrics in MLflow's JSON.</summary>
static class RunJson
{
    static readonly JsonEncodedText
        InfoName = Name("info"), DataName = Name("data"), InputsName = Name("inputs"), OutputsName = Name("outputs"), MetricsName = Name("metrics"),
        RunUuid = Name("run_uuid"), RunIdName = Name("run_id"), ExperimentId = Name("experiment_id"), RunName = Name("run_name"), UserId = Name("user_id"), Status = Name("status"),
        StartTime = Name("start_time"), EndTime = Name("end_time"), ArtifactUri = Name("artifact_uri"), LifecycleStage = Name("lifecycle_stage"),
        Key = Name("key"), Value = Name("value"), Timestamp = Name("timestamp"), Step = Name("step"), NaN = Name("NaN"), ModelId = Name("model_id"),
        DatasetName = Name("dataset_name"), DatasetDigest = Name("dataset_digest");

    static JsonEncodedText Name(string text) => JsonEncodedText.Encode(text);

    /// <param name="created">The answer to a creation, which has no outputs yet.</param>
    public static void Write(Utf8JsonWriter json, TrackedRun run, bool created = false)
    {
        json.WriteStartObject(InfoName);
        Info(json, run);
        json.WriteEndObject();
        json.WriteStartObject(DataName);
        if (run.Metrics.Count > 0)
        {
            json.WriteStartArray(MetricsName);
            foreach (var metric in run.Metrics) Point(json, metric.Key, new MetricPoint(metric.Step, metric.Time, metric.Value));
            json.WriteEndArray();
        }
        MlflowAnswer.Pairs(json, "params", run.Params);
        MlflowAnswer.Pairs(json, "tags", run.Tags);
        json.WriteEndObject();
        json.WriteStartObject(InputsName);
        Inputs(json, run);
        json.WriteEndObject();
        if (created) return;
        json.WriteStartObject(OutputsName);
        if (run.Outputs.Count > 0)
        {
            json.WriteStartArray("model_outputs");
            foreach (var output in run.Outputs)
            {
                json.WriteStartObject();
                json.WriteString(ModelId, output.Model);
                json.WriteNumber(Step, output.Step);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    public static void Info(Utf8JsonWriter json, TrackedRun run)
    {
        json.WriteString(RunUuid, run.Id);
        json.WriteString(ExperimentId, run.Experiment.ToString());
        json.WriteString(RunName, run.Name);
        json.WriteString(UserId, run.User);
        json.WriteString(Status, run.Status);
        json.WriteNumber(StartTime, run.Started);
        if (run.Ended is { } ended) json.WriteNumber(EndTime, ended);
        json.WriteString(ArtifactUri, run.ArtifactUri);
        json.WriteString(LifecycleStage, run.Deleted ? "deleted" : "active");
        json.WriteString(RunIdName, run.Id);
    }

    /// <summary>The key of many points, escaped once.</summary>
    public static JsonEncodedText Escaped(string key) => JsonEncodedText.Encode(key, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping);

    /// <summary>Points of one metric as the elements of an array. Each is put together by hand and given to the writer as one value, not as four members.</summary>
    public static void Points(Utf8JsonWriter json, JsonEncodedText key, ReadOnlySpan<MetricPoint> points)
    {
        const int Longest = 192; // without the key: the names, a number of 24 digits and two of 20
        var bytes = ArrayPool<byte>.Shared.Rent(key.EncodedUtf8Bytes.Length + Longest);
        var start = 0;
        Put("{\"key\":\""u8, ref start);
        Put(key.EncodedUtf8Bytes, ref start);
        Put("\",\"value\":"u8, ref start);
        foreach (ref readonly var point in points)
        {
            var end = start;
            if (double.IsNaN(point.Value)) Put("\"NaN\""u8, ref end);
            else
            {
                Utf8Formatter.TryFormat(point.Value, bytes.AsSpan(end), out var real);
                end += real;
            }
            Put(",\"timestamp\":"u8, ref end);
            Whole(point.Time, ref end);
            Put(",\"step\":"u8, ref end);
            Whole(point.Step, ref end);
            bytes[end++] = (byte)'}';
            json.WriteRawValue(bytes.AsSpan(0, end), skipInputValidation: true);
        }
        ArrayPool<byte>.Shared.Return(bytes);

        void Put(ReadOnlySpan<byte> text, ref int at)
        {
            text.CopyTo(bytes.AsSpan(at));
            at += text.Length;
        }

        void Whole(long number, ref int at)
        {
            Utf8Formatter.TryFormat(number, bytes.AsSpan(at), out var length);
            at += length;
        }
    }

    public static void Point(Utf8JsonWriter json, JsonEncodedText key, MetricPoint point, string? run = null)
    {
        json.WriteStartObject();
        json.WriteString(Key, key);
        Members(json, point);
        if (run is not null) json.WriteString(RunIdName, run);
        json.WriteEndObject();
    }

    static void Point(Utf8JsonWriter json, string key, MetricPoint point)
    {
        json.WriteStartObject();
        json.WriteString(Key, key);
        Members(json, point);
        json.WriteEndObject();
    }

    /// <summary>A point of a logged model.</summary>
    public static void Point(Utf8JsonWriter json, LoggedMetric metric, string run)
    {
        json.WriteStartObject();
        json.WriteString(Key, metric.Key);
        Members(json, new MetricPoint(metric.Step, metric.Time, metric.Value));
        json.WriteString(ModelId, metric.Model);
        if (!string.IsNullOrEmpty(metric.DatasetName)) json.WriteString(DatasetName, metric.DatasetName);
        if (!string.IsNullOrEmpty(metric.DatasetDigest)) json.WriteString(DatasetDigest, metric.DatasetDigest);
        json.WriteString(RunIdName, run);
        json.WriteEndObject();
    }

    static void Members(Utf8JsonWriter json, MetricPoint point)
    {
        if (double.IsNaN(point.Value)) json.WriteString(Value, NaN);
        else json.WriteNumber(Value, point.Value);
        json.WriteNumber(Timestamp, point.Time);
        json.WriteNumber(Step, point.Step);
    }

    static void Inputs(Utf8JsonWriter json, TrackedRun run)
    {
        if (run.Inputs.Count > 0)
        {
            json.WriteStartArray("dataset_inputs");
            foreach (var input in run.Inputs)
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
        if (run.ModelInputs.Count == 0) return;
        json.WriteStartArray("model_inputs");
        foreach (var model in run.ModelInputs)
        {
            json.WriteStartObject();
            json.WriteString(ModelId, model);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
