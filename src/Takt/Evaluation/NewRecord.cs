using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Takt.Runs.Traces;

namespace Takt.Evaluation;

/// <summary>A record as a client gives it; its parts as JSON.</summary>
/// <param name="Hash">Of the inputs, their members in order.</param>
/// <param name="HasOutputs">They are told, if only as null.</param>
sealed record NewRecord(
    JsonElement Given, string Hash, string Inputs, bool HasOutputs, string? Outputs, string? Expectations, string? Tags, string? Source, string? SourceType, string? SourceId, string? User)
{
    const string UserTag = "mlflow.user";
    const int MostFaults = 20;

    /// <exception cref="TaktException">Invalid: every fault.</exception>
    public static List<NewRecord> All(JsonElement records)
    {
        if (records.ValueKind != JsonValueKind.Array) throw TaktException.Invalid("The records must be a JSON list");
        var faults = new List<string>();
        var all = new List<NewRecord>();
        var n = 0;
        foreach (var record in records.EnumerateArray())
        {
            if (record.ValueKind != JsonValueKind.Object) faults.Add($"record {n} is no object");
            else
            {
                foreach (var part in (string[])["inputs", "expectations", "tags"])
                    if (record.TryGetProperty(part, out var value) && value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null)) faults.Add($"{part} of record {n} is no object");
                if (faults.Count == 0) all.Add(Of(record));
            }
            n++;
            if (faults.Count >= MostFaults) break;
        }
        return faults.Count == 0 ? all : throw new TaktException(TaktError.Invalid, faults);
    }

    static NewRecord Of(JsonElement record)
    {
        var inputs = Part(record, "inputs");
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(inputs is { } i ? JsonText.Of(i, sorted: true) : "{}"));
        var hasOutputs = record.TryGetProperty("outputs", out var outputs);
        var tags = Part(record, "tags");
        var source = record.TryGetProperty("source", out var s) && s.ValueKind == JsonValueKind.Object ? s : (JsonElement?)null;
        return new(record, Convert.ToHexStringLower(hash), inputs is { } x ? JsonText.Of(x) : "{}", hasOutputs, hasOutputs && outputs.ValueKind != JsonValueKind.Null ? JsonText.Of(outputs) : null,
            Part(record, "expectations") is { } e ? JsonText.Of(e) : null, tags is { } t ? JsonText.Of(t) : null, source is { } o ? JsonText.Of(o) : null,
            Text(source, "source_type")?.ToUpperInvariant(), SourceOf(source), Text(tags, UserTag));
    }

    static JsonElement? Part(JsonElement record, string name) => record.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;

    static string? SourceOf(JsonElement? source) =>
        source is { } s && s.TryGetProperty("source_data", out var data) && data.ValueKind == JsonValueKind.Object ? Text(data, "trace_id") ?? Text(data, "source_id") : null;

    static string? Text(JsonElement? of, string name)
    {
        try
        {
            return of is { } o && o.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half of a surrogate pair
        }
    }
}
