using System.Buffers.Text;
using System.Text.Json;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>
/// Reads the bodies of <c>log-metric</c> and of a <c>log-batch</c> of metrics straight from their bytes. It knows what clients send; anything else, right or
/// wrong, is null, and is read again with care.
/// </summary>
static class LogReader
{
    public static (string Run, LoggedMetric Metric)? Metric(ReadOnlySpan<byte> body)
    {
        try
        {
            var json = new Utf8JsonReader(body);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return null;
            string? run = null;
            return Metric(ref json, null, ref run) is { } metric && run is { Length: > 0 } && !json.Read() ? (run, metric) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Null as well when it has params or tags.</summary>
    public static (string Run, List<LoggedMetric> Metrics)? Batch(ReadOnlySpan<byte> body)
    {
        try
        {
            var json = new Utf8JsonReader(body);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return null;
            string? run = null;
            List<LoggedMetric>? metrics = null;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (json.ValueTextEquals("run_id"u8))
                {
                    if (run is not null || !json.Read() || json.TokenType != JsonTokenType.String) return null;
                    run = json.GetString();
                }
                else if (json.ValueTextEquals("metrics"u8))
                {
                    if (metrics is not null || (metrics = Metrics(ref json)) is null) return null;
                }
                else if (json.ValueTextEquals("params"u8) || json.ValueTextEquals("tags"u8))
                {
                    if (!json.Read() || json.TokenType != JsonTokenType.StartArray || !json.Read() || json.TokenType != JsonTokenType.EndArray) return null;
                }
                else return null;
            }
            return run is { Length: 32 } && metrics is not null && !json.Read() && IsRunId(run) ? (run, metrics) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    static List<LoggedMetric>? Metrics(ref Utf8JsonReader json)
    {
        if (!json.Read() || json.TokenType != JsonTokenType.StartArray) return null;
        var metrics = new List<LoggedMetric>();
        // batches repeat few keys: one string for each
        var keys = new KeyCache();
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            string? none = "";
            if (Metric(ref json, keys, ref none) is not { } metric) return null;
            metrics.Add(metric);
        }
        return json.TokenType == JsonTokenType.EndArray ? metrics : null;
    }

    /// <param name="run">Null: the object names its run. Else it must not.</param>
    static LoggedMetric? Metric(ref Utf8JsonReader json, KeyCache? keys, ref string? run)
    {
        string? key = null, model = null, dataset = null, digest = null;
        double? value = null;
        long? time = null;
        long step = 0;
        var batch = run is not null;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("key"u8))
            {
                if (!json.Read() || json.TokenType != JsonTokenType.String) return null;
                key = keys is null ? json.GetString() : keys.Get(ref json);
            }
            else if (json.ValueTextEquals("value"u8))
            {
                if (!json.Read() || Real(ref json) is not { } number) return null;
                value = number;
            }
            else if (json.ValueTextEquals("timestamp"u8))
            {
                if (!json.Read() || Whole(ref json) is not { } number) return null;
                time = number;
            }
            else if (json.ValueTextEquals("step"u8))
            {
                if (!json.Read() || Whole(ref json) is not { } number) return null;
                step = number;
            }
            else if (!batch && (json.ValueTextEquals("run_id"u8) || json.ValueTextEquals("run_uuid"u8)))
            {
                if (!json.Read() || json.TokenType != JsonTokenType.String || json.GetString() is not { Length: > 0 } id || (run is not null && run != id)) return null;
                run = id;
            }
            else
            {
                var to = json.ValueTextEquals("model_id"u8) ? 0 : json.ValueTextEquals("dataset_name"u8) ? 1 : json.ValueTextEquals("dataset_digest"u8) ? 2 : batch && json.ValueTextEquals("run_id"u8) ? 3 : -1;
                if (to < 0 || !json.Read() || json.TokenType != JsonTokenType.String) return null;
                var text = json.GetString() is { Length: > 0 } filled ? filled : null;
                _ = to switch { 0 => model = text, 1 => dataset = text, 2 => digest = text, _ => null };
            }
        }
        return json.TokenType == JsonTokenType.EndObject && key is { Length: > 0 } && value is { } v && time is { } t ? new LoggedMetric(key, v, step, t, model, dataset, digest) : null;
    }

    static double? Real(ref Utf8JsonReader json) => json.TokenType switch
    {
        JsonTokenType.Number when json.TryGetDouble(out var number) => number,
        JsonTokenType.String when json.ValueTextEquals("NaN"u8) => double.NaN,
        JsonTokenType.String when json.ValueTextEquals("Infinity"u8) => double.PositiveInfinity,
        JsonTokenType.String when json.ValueTextEquals("-Infinity"u8) => double.NegativeInfinity,
        _ => null,
    };

    // 64-bit numbers come as text too
    static long? Whole(ref Utf8JsonReader json) => json.TokenType switch
    {
        JsonTokenType.Number when json.TryGetInt64(out var number) => number,
        JsonTokenType.String when Utf8Parser.TryParse(json.ValueSpan, out long number, out var read) && read == json.ValueSpan.Length => number,
        _ => null,
    };

    static bool IsRunId(string id)
    {
        foreach (var c in id)
            if (!char.IsAsciiLetterOrDigit(c)) return false;
        return true;
    }

    /// <summary>The last few keys as strings, found by their bytes.</summary>
    sealed class KeyCache
    {
        const int Most = 16;
        readonly string[] _keys = new string[Most];
        int _next;

        public string? Get(ref Utf8JsonReader json)
        {
            // clients go round their keys in order: the oldest is the likeliest
            for (var i = 0; i < Most; i++)
                if (_keys[(_next + i) % Most] is { } key && json.ValueTextEquals(key)) return key;
            var text = json.GetString();
            _keys[_next] = text!;
            _next = (_next + 1) % Most;
            return text;
        }
    }
}
