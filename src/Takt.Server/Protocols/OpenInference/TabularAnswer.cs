using System.Buffers.Text;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>The answer of a tabular model as JSON, of parts that are made once a slot and the numbers between them.</summary>
sealed class TabularAnswer
{
    const int LongestNumber = 32;

    static readonly ConditionalWeakTable<Slot, TabularAnswer> Known = [];

    [ThreadStatic]
    static byte[]? _ofThread;

    readonly byte[] _head, _middle, _tail;
    readonly bool _float;

    TabularAnswer(Slot slot)
    {
        _head = Encoding.UTF8.GetBytes($"{{\"model_name\":{Quoted(slot.Revision.Endpoint)},\"model_version\":\"{slot.Version}\"");
        var model = slot.Revision.Model is { } version ? $",\"model\":{Quoted(version)}" : "";
        var output = slot.Model!.Rows!.Output;
        _float = output.Type == Models.FieldType.Float;
        _middle = Encoding.UTF8.GetBytes(",\"parameters\":{\"prediction_id\":\"");
        _tail = Encoding.UTF8.GetBytes($"\"{model}}},\"outputs\":[{{\"name\":{Quoted(output.Name)},\"datatype\":\"{InferRequest.DataType(output.Type)}\",\"shape\":[");
    }

    public static TabularAnswer Of(Slot slot) => Known.TryGetValue(slot, out var known) ? known : Known.GetValue(slot, s => new TabularAnswer(s));

    /// <param name="requestId">As it stood in the request, unescaped; empty: none.</param>
    /// <returns>In a buffer of the thread's: write it before anything else is done.</returns>
    public ReadOnlySpan<byte> Write(PredictionId id, ReadOnlySpan<byte> requestId, ReadOnlySpan<double> scores)
    {
        const int Fixed = 128;
        var most = _head.Length + _middle.Length + _tail.Length + requestId.Length + Fixed + (scores.Length * LongestNumber);
        var buffer = _ofThread;
        if (buffer is null || buffer.Length < most) buffer = _ofThread = new byte[most + 512];
        var at = 0;
        Put(buffer, ref at, _head);
        if (requestId.Length > 0)
        {
            Put(buffer, ref at, ",\"id\":\""u8);
            Put(buffer, ref at, requestId);
            Put(buffer, ref at, "\""u8);
        }
        Put(buffer, ref at, _middle);
        id.Write(buffer.AsSpan(at));
        at += PredictionId.Length;
        Put(buffer, ref at, _tail);
        Utf8Formatter.TryFormat(scores.Length, buffer.AsSpan(at), out var digits);
        at += digits;
        Put(buffer, ref at, "],\"data\":["u8);
        for (var row = 0; row < scores.Length; row++)
        {
            if (row > 0) buffer[at++] = (byte)',';
            if (!double.IsFinite(scores[row])) Put(buffer, ref at, "null"u8);
            else
            {
                if (_float) ((float)scores[row]).TryFormat(buffer.AsSpan(at), out digits, default, CultureInfo.InvariantCulture);
                else scores[row].TryFormat(buffer.AsSpan(at), out digits, default, CultureInfo.InvariantCulture);
                at += digits;
            }
        }
        Put(buffer, ref at, "]}]}"u8);
        return buffer.AsSpan(0, at);
    }

    static void Put(byte[] buffer, ref int at, ReadOnlySpan<byte> part)
    {
        part.CopyTo(buffer.AsSpan(at));
        at += part.Length;
    }

    static string Quoted(string text) => '"' + JsonEncodedText.Encode(text).ToString() + '"';
}
