using System.Text.Json;

namespace Takt.Runs.Traces;

/// <summary>Tokens that a language model read and wrote.</summary>
readonly record struct TokenCounts(long Input, long Output, long Total)
{
    public static TokenCounts operator +(TokenCounts a, TokenCounts b) => new(a.Input + b.Input, a.Output + b.Output, a.Total + b.Total);

    public static TokenCounts operator -(TokenCounts a, TokenCounts b) => new(a.Input - b.Input, a.Output - b.Output, a.Total - b.Total);

    /// <param name="json">Null or no such object: zeros.</param>
    public static TokenCounts Parse(string? json)
    {
        if (json is null) return default;
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object ? new(Count("input_tokens"), Count("output_tokens"), Count("total_tokens")) : default;

            long Count(string name) => document.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
                && value.TryGetDouble(out var count) && Math.Abs(count) < 1e15 ? (long)count : 0;
        }
        catch (JsonException)
        {
            return default;
        }
    }

    public override string ToString() => $"{{\"input_tokens\": {Input}, \"output_tokens\": {Output}, \"total_tokens\": {Total}}}";
}
