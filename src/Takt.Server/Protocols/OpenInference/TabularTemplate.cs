using System.Text.Json;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// The text of a request of one row around its numbers. A client writes it in the same way again and again: a body that differs in the numbers alone is compared, not parsed, in a quarter of the time.
/// Immutable.
/// </summary>
sealed class TabularTemplate
{
    readonly byte[] _text;
    readonly Hole[] _holes;
    readonly int _rest; // where the text behind the last number begins

    /// <param name="Before">Where the text in front of the number begins.</param>
    /// <param name="At">Where the number stood.</param>
    /// <param name="Whole">The feature takes whole numbers only.</param>
    readonly record struct Hole(int Before, int At, int Feature, bool Whole);

    TabularTemplate(byte[] text, Hole[] holes, int rest) => (_text, _holes, _rest) = (text, holes, rest);

    /// <param name="body">What <see cref="TabularRequest"/> has read, of one row and without an id.</param>
    /// <returns>Null: it holds other things than numbers.</returns>
    public static TabularTemplate? Of(ReadOnlySpan<byte> body, RowScorer scorer)
    {
        var holes = new List<Hole>(scorer.Features.Count);
        var json = new Utf8JsonReader(body);
        var (rest, feature, data) = (0, -1, false);
        while (json.Read())
            if (json.TokenType == JsonTokenType.PropertyName)
            {
                data = json.ValueTextEquals("data"u8);
                if (!json.ValueTextEquals("name"u8)) continue;
                json.Read();
                for (feature = 0; !json.ValueTextEquals(scorer.NameOf(feature));) feature++;
            }
            else if (data && json.TokenType is not (JsonTokenType.StartArray or JsonTokenType.EndArray or JsonTokenType.EndObject or JsonTokenType.StartObject))
            {
                if (json.TokenType != JsonTokenType.Number || scorer.Features[feature].Type == FieldType.Boolean) return null;
                holes.Add(new Hole(rest, (int)json.TokenStartIndex, feature, scorer.Features[feature].Type is not (FieldType.Float or FieldType.Double)));
                rest = (int)json.BytesConsumed;
            }
        return holes.Count == scorer.Features.Count ? new TabularTemplate(body.ToArray(), [.. holes], rest) : null;
    }

    /// <returns>False: it is another text, or its numbers are none that the features take; the batch is undefined then.</returns>
    public bool TryRead(ReadOnlySpan<byte> body, RowBatch batch)
    {
        batch.Begin(1, _holes.Length);
        foreach (var hole in _holes)
        {
            var before = _text.AsSpan(hole.Before..hole.At);
            if (!body.StartsWith(before)) return false;
            body = body[before.Length..];
            var length = JsonNumber.Read(body, out double number);
            if (length == 0 || !double.IsFinite(number) || (hole.Whole && !IsWhole(body[..length]))) return false;
            batch.Set(0, hole.Feature, number);
            body = body[length..];
        }
        return body.SequenceEqual(_text.AsSpan(_rest));
    }

    /// <summary>From 0 on and of 15 digits at most: exact, and within what is taken.</summary>
    static bool IsWhole(ReadOnlySpan<byte> number) => number.Length <= 15 && number.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0;
}
