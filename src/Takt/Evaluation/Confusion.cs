using System.Text.Json;

namespace Takt.Evaluation;

/// <summary>How many rows of each true class were said to be of each class.</summary>
/// <param name="Counts">By the true class, then by the one that was said; as many of both as there are classes.</param>
public sealed record Confusion(IReadOnlyList<string> Classes, IReadOnlyList<IReadOnlyList<long>> Counts)
{
    /// <summary>Those of a yes or no, out of the metrics that tell as much; null when they do not.</summary>
    /// <param name="metrics">Of a binary model: accuracy, recall and positive_rate, each a share of whole rows.</param>
    /// <param name="rows">How many rows they are about.</param>
    public static Confusion? OfBinary(IReadOnlyDictionary<string, double> metrics, double rows)
    {
        if (!metrics.TryGetValue("accuracy", out var accuracy) || !metrics.TryGetValue("recall", out var recall) || !metrics.TryGetValue("positive_rate", out var positive) || !(rows >= 1)) return null;
        double[] counts = [positive * rows, recall * positive * rows, accuracy * rows];
        if (counts.Any(c => !(Math.Abs(c - Math.Round(c)) < 1e-3))) return null; // of other rows, or of others' metrics of these names
        var (yes, hits, right) = ((long)Math.Round(counts[0]), (long)Math.Round(counts[1]), (long)Math.Round(counts[2]));
        var (rejected, missed) = (right - hits, yes - hits);
        var alarms = (long)Math.Round(rows) - yes - rejected;
        return rejected < 0 || missed < 0 || alarms < 0 ? null : new(["0", "1"], [[rejected, alarms], [missed, hits]]);
    }

    /// <summary>Member <c>confusion</c> of a metrics file; null when it has none.</summary>
    public static Confusion? Of(JsonElement metricsFile)
    {
        if (metricsFile.ValueKind != JsonValueKind.Object || !metricsFile.TryGetProperty("confusion", out var of) || of.ValueKind != JsonValueKind.Object
            || !of.TryGetProperty("classes", out var classes) || !of.TryGetProperty("rows", out var rows) || classes.ValueKind != JsonValueKind.Array || rows.ValueKind != JsonValueKind.Array) return null;
        var all = classes.GetArrayLength();
        if (rows.GetArrayLength() != all || rows.EnumerateArray().Any(r => r.ValueKind != JsonValueKind.Array || r.GetArrayLength() != all || r.EnumerateArray().Any(c => c.ValueKind != JsonValueKind.Number || !c.TryGetInt64(out _)))) return null;
        return new([.. classes.EnumerateArray().Select(c => c.ToString())], [.. rows.EnumerateArray().Select(r => (IReadOnlyList<long>)[.. r.EnumerateArray().Select(c => c.GetInt64())])]);
    }

    /// <summary>As <see cref="Of"/> reads it.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("confusion");
        json.WriteStartArray("classes");
        foreach (var name in Classes) json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteStartArray("rows");
        foreach (var row in Counts)
        {
            json.WriteStartArray();
            foreach (var count in row) json.WriteNumberValue(count);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
