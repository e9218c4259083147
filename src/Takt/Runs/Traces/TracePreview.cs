using System.Text.Json;

namespace Takt.Runs.Traces;

/// <summary>The first characters of what was asked and answered: the last message of a chat, else the whole JSON.</summary>
static class TracePreview
{
    const int Longest = 1000;

    /// <param name="kept">An attribute as it is kept.</param>
    /// <param name="role">Whose last message is looked for: <c>user</c> or <c>assistant</c>.</param>
    public static string Of(string kept, string role)
    {
        var text = kept;
        try
        {
            using var json = JsonDocument.Parse(kept);
            if (Messages(json.RootElement, 0) is { Count: > 0 } messages)
                text = Text(messages.FindLast(m => m.TryGetProperty("role", out var r) && r.ValueKind == JsonValueKind.String && r.ValueEquals(role)) is { ValueKind: JsonValueKind.Object } last
                    ? last : messages[^1]) is { Length: > 0 } content ? content : kept;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
        }
        return text.Length <= Longest ? text : text[..(char.IsHighSurrogate(text[Longest - 4]) ? Longest - 4 : Longest - 3)] + "...";
    }

    static List<JsonElement>? Messages(JsonElement value, int depth)
    {
        if (value.ValueKind != JsonValueKind.Object || depth > 8) return null;
        if (Of("messages") is { } messages) return messages;
        if (value.TryGetProperty("choices", out var choices) && choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() > 0
            && choices[0].ValueKind == JsonValueKind.Object && choices[0].TryGetProperty("message", out var message) && IsMessage(message)) return [message];
        return Of("input") ?? Of("output") ?? (value.TryGetProperty("request", out var request) ? Messages(request, depth + 1) : null);

        List<JsonElement>? Of(string name) =>
            value.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array && items.GetArrayLength() > 0 ? [.. items.EnumerateArray().Where(IsMessage)] : null;
    }

    static bool IsMessage(JsonElement item) => item.ValueKind == JsonValueKind.Object && item.TryGetProperty("role", out _) && item.TryGetProperty("content", out _);

    static string? Text(JsonElement message)
    {
        var content = message.GetProperty("content");
        if (content.ValueKind == JsonValueKind.String) return content.GetString();
        if (content.ValueKind != JsonValueKind.Array) return null;
        foreach (var part in content.EnumerateArray())
        {
            if (part.ValueKind == JsonValueKind.String) return part.GetString();
            if (part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String
                && (type.ValueEquals("text") || type.ValueEquals("output_text")) && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String) return text.GetString();
        }
        return null;
    }
}
