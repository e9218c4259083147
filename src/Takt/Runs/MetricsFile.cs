using System.Text.Json;

namespace Takt.Runs;

/// <summary>A JSON file of metrics: its numbers, flattened (<c>champion.auc</c>); texts, lists and nulls are passed over.</summary>
public static class MetricsFile
{
    /// <exception cref="TaktException">Invalid: not a JSON object.</exception>
    public static void Read(string path, string shown, IDictionary<string, double> into)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            if (json.RootElement.ValueKind != JsonValueKind.Object) throw TaktException.Invalid($"metrics file {shown} must be a JSON object");
            Flatten(json.RootElement, "", into);
        }
        catch (JsonException e)
        {
            throw TaktException.Invalid($"metrics file {shown} is not JSON: {e.Message}");
        }
    }

    static void Flatten(JsonElement at, string prefix, IDictionary<string, double> into)
    {
        foreach (var member in at.EnumerateObject())
        {
            var name = prefix.Length == 0 ? member.Name : $"{prefix}.{member.Name}";
            if (member.Value.ValueKind == JsonValueKind.Number) into[name] = member.Value.GetDouble();
            else if (member.Value.ValueKind == JsonValueKind.Object) Flatten(member.Value, name, into);
        }
    }
}
