using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Unicode;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// The short way for the usual request to a tabular model: one pass over the JSON, straight into rows of numbers. Whatever is unusual, or wrong, it leaves
/// to <see cref="InferRequest"/>, which takes all that the protocol allows and has the words for faults; both read the same values.
/// </summary>
static class TabularRequest
{
    public const int MostFeatures = 512;
    const int LongestId = 256;
    public const long LargestExact = 1L << 53;

    /// <summary>So many requests that are not as the template are read before another becomes it: making one costs more than it saves a single request.</summary>
    const int Patience = 256;

    static readonly ConditionalWeakTable<RowScorer, Known> Scorers = [];

    /// <param name="id">The request's id as it stands in the body; empty when it has none.</param>
    /// <returns>False: take the long way.</returns>
    public static bool TryRead(ReadOnlySpan<byte> body, RowScorer scorer, RowBatch batch, out Range id)
    {
        id = default;
        var known = Of(scorer);
        if (!known.CanRead) return false;
        if (known.Template is { } template && template.TryRead(body, batch))
        {
            if (known.Misses != Patience) known.Misses = Patience;
            return true;
        }
        if (!TryParse(body, scorer, batch, out id)) return false;
        if (known.Misses-- <= 0 && batch.Rows == 1 && id.Equals(default))
        {
            known.Misses = Patience;
            known.Template = TabularTemplate.Of(body, scorer) ?? known.Template;
        }
        return true;
    }

    static bool TryParse(ReadOnlySpan<byte> body, RowScorer scorer, RowBatch batch, out Range id)
    {
        id = default;
        try
        {
            var json = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 16 });
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return false;
            var (inputs, named) = (false, false);
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                if (!inputs && json.ValueTextEquals("inputs"u8))
                {
                    inputs = true;
                    if (!Inputs(ref json, scorer, batch, body.Length)) return false;
                }
                else if (!named && json.ValueTextEquals("id"u8))
                {
                    named = true;
                    if (!json.Read() || json.TokenType != JsonTokenType.String || json.ValueIsEscaped || json.ValueSpan.Length > LongestId || !Utf8.IsValid(json.ValueSpan)) return false;
                    var start = (int)json.TokenStartIndex + 1;
                    id = start..(start + json.ValueSpan.Length);
                }
                else return false;
            return inputs && json.TokenType == JsonTokenType.EndObject && !json.Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the second: a text that is no Unicode
        {
            return false;
        }
    }

    /// <summary>Whether requests to this model can take the short way at all.</summary>
    public static bool CanRead(RowScorer scorer) => Of(scorer).CanRead;

    static Known Of(RowScorer scorer)
    {
        if (!Scorers.TryGetValue(scorer, out var known)) Scorers.AddOrUpdate(scorer, known = new Known(scorer.Features.Count <= MostFeatures && scorer.Features.All(CanRead)));
        return known;
    }

    static bool CanRead(Feature feature) => feature.Type is FieldType.String ? feature.Categories is not null : feature.Type is not FieldType.Binary && feature.Categories is null;

    static bool Inputs(ref Utf8JsonReader json, RowScorer scorer, RowBatch batch, int length)
    {
        var features = scorer.Features.Count;
        Span<bool> seen = stackalloc bool[MostFeatures];
        seen = seen[..features];
        seen.Clear();
        if (!json.Read() || json.TokenType != JsonTokenType.StartArray) return false;
        var (next, count, rows) = (0, 0, -1);
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var (feature, shape, type, done) = (-1, -1, false, false);
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (done) return false; // data must be the last: it can't be read without the rest
                if (json.ValueTextEquals("name"u8))
                {
                    if (feature >= 0 || !json.Read() || json.TokenType != JsonTokenType.String) return false;
                    feature = Find(ref json, scorer, next);
                    if (feature < 0 || seen[feature]) return false;
                }
                else if (json.ValueTextEquals("shape"u8))
                {
                    if (shape >= 0 || !Shape(ref json, out shape)) return false;
                }
                else if (json.ValueTextEquals("datatype"u8))
                {
                    if (type || feature < 0 || !json.Read() || json.TokenType != JsonTokenType.String || !HasType(ref json, scorer.Features[feature].Type)) return false;
                    type = true;
                }
                else if (json.ValueTextEquals("data"u8))
                {
                    if (feature < 0 || shape < 0 || !type) return false;
                    if (rows < 0)
                    {
                        if ((long)shape * features > length) return false; // a value has a byte at least: no room is made for what can't be there
                        batch.Begin(rows = shape, features);
                    }
                    if (shape != rows || !Data(ref json, scorer, feature, rows, batch)) return false;
                    done = true;
                }
                else return false;
            }
            if (!done || json.TokenType != JsonTokenType.EndObject) return false;
            seen[feature] = true;
            next = feature + 1;
            count++;
        }
        return json.TokenType == JsonTokenType.EndArray && count == features;
    }

    /// <summary>Clients send the inputs in one order: the next is tried first.</summary>
    static int Find(ref Utf8JsonReader json, RowScorer scorer, int next)
    {
        if (next < scorer.Features.Count && json.ValueTextEquals(scorer.NameOf(next))) return next;
        for (var f = 0; f < scorer.Features.Count; f++)
            if (json.ValueTextEquals(scorer.NameOf(f))) return f;
        return -1;
    }

    /// <summary><c>[rows]</c> or <c>[rows,1]</c>.</summary>
    static bool Shape(ref Utf8JsonReader json, out int rows)
    {
        rows = -1;
        if (!json.Read() || json.TokenType != JsonTokenType.StartArray || !json.Read() || json.TokenType != JsonTokenType.Number || !json.TryGetInt32(out rows) || rows is < 1 or > InferRequest.MostRows || !json.Read()) return false;
        if (json.TokenType == JsonTokenType.EndArray) return true;
        return json.TokenType == JsonTokenType.Number && json.TryGetInt32(out var one) && one == 1 && json.Read() && json.TokenType == JsonTokenType.EndArray;
    }

    static bool HasType(ref Utf8JsonReader json, FieldType type)
    {
        if (json.ValueIsEscaped) return false;
        var name = json.ValueSpan;
        var integer = name.SequenceEqual("INT64"u8) || name.SequenceEqual("INT32"u8);
        return type switch
        {
            FieldType.String => name.SequenceEqual("BYTES"u8),
            FieldType.Boolean => name.SequenceEqual("BOOL"u8) || integer,
            FieldType.Float or FieldType.Double => name.SequenceEqual("FP64"u8) || name.SequenceEqual("FP32"u8) || integer,
            _ => integer,
        };
    }

    static bool Data(ref Utf8JsonReader json, RowScorer scorer, int feature, int rows, RowBatch batch)
    {
        if (!json.Read() || json.TokenType != JsonTokenType.StartArray) return false;
        var type = scorer.Features[feature].Type;
        var row = 0;
        for (var depth = 1; json.Read();)
        {
            if (json.TokenType == JsonTokenType.StartArray)
            {
                depth++;
                continue;
            }
            if (json.TokenType == JsonTokenType.EndArray)
            {
                if (--depth == 0) break;
                continue;
            }
            if (row == rows || !Value(ref json, scorer, feature, type, row, batch)) return false;
            row++;
        }
        return row == rows;
    }

    static bool Value(ref Utf8JsonReader json, RowScorer scorer, int feature, FieldType type, int row, RowBatch batch)
    {
        switch (json.TokenType)
        {
            case JsonTokenType.Null:
                batch.Set(row, feature, double.NaN, default, missing: true);
                return true;
            case JsonTokenType.Number when type is FieldType.Float or FieldType.Double:
                if (JsonNumber.Read(json.ValueSpan, out double number) == 0 || !double.IsFinite(number)) return false;
                batch.Set(row, feature, number);
                return true;
            case JsonTokenType.Number when type is not FieldType.String:
                if (!json.TryGetInt64(out var integer) || integer is < -LargestExact or > LargestExact || (type == FieldType.Boolean && integer is not (0 or 1))) return false;
                batch.Set(row, feature, integer);
                return true;
            case JsonTokenType.True or JsonTokenType.False when type is FieldType.Boolean:
                batch.Set(row, feature, json.TokenType == JsonTokenType.True ? 1 : 0);
                return true;
            case JsonTokenType.String when type is FieldType.String:
                var text = json.ValueSpan;
                if (json.ValueIsEscaped || !Utf8.IsValid(text)) return false;
                batch.Set(row, feature, scorer.Code(feature, text), text, missing: false);
                return true;
            default:
                return false;
        }
    }

    sealed class Known(bool canRead)
    {
        public bool CanRead => canRead;

        /// <summary>Null before the first request. Of several threads at once any may win.</summary>
        public TabularTemplate? Template { get; set; }

        /// <summary>How many more may miss it before there is another.</summary>
        public int Misses { get; set; }
    }
}
