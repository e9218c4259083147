using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Server.Protocols.OpenAI;

/// <summary>
/// Vectors in the form that was asked for: a list of numbers, or base64 of little-endian float32. OpenAI's own clients ask for base64 and take a list for an empty vector; many servers know lists only.
/// </summary>
static class EmbeddingForm
{
    /// <summary>The plus of base64 stays one.</summary>
    static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <returns>The same bytes where there is nothing to change.</returns>
    public static byte[] Fit(byte[] body, bool base64)
    {
        try
        {
            if (JsonNode.Parse(body) is not JsonObject answer || answer["data"] is not JsonArray data) return body;
            var changed = false;
            foreach (var item in data.OfType<JsonObject>())
                if (base64 && item["embedding"] is JsonArray numbers) (item["embedding"], changed) = (Text(numbers), true);
                else if (!base64 && item["embedding"] is JsonValue value && value.TryGetValue(out string? text)) (item["embedding"], changed) = (Numbers(text), true);
            return changed ? JsonSerializer.SerializeToUtf8Bytes(answer, Plain) : body;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            return body; // the caller gets what the upstream said
        }
    }

    static string Text(JsonArray numbers)
    {
        var bytes = new byte[4 * numbers.Count];
        for (var i = 0; i < numbers.Count; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), (float)numbers[i]!.GetValue<double>());
        return Convert.ToBase64String(bytes);
    }

    static JsonArray Numbers(string base64)
    {
        var bytes = Convert.FromBase64String(base64);
        var numbers = new JsonArray();
        for (var i = 0; i + 4 <= bytes.Length; i += 4) numbers.Add(BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(i)));
        return numbers;
    }
}
