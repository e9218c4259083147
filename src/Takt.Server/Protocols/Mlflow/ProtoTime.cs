using System.Globalization;
using System.Text.Json;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Times and durations as protobuf's JSON has them: <c>2026-01-01T00:00:00.500Z</c>, <c>1.500s</c>.</summary>
static class ProtoTime
{
    const long Longest = 315_576_000_000; // seconds, protobuf's own limit

    /// <summary>Unix milliseconds; null: it is not there.</summary>
    public static long? Milliseconds(MlflowRequest request, string name) =>
        request.TextOrNull(name) is not { } text ? null
        : text.Contains('T') && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time.ToUnixTimeMilliseconds()
        : throw MlflowRequest.Wrong(name, text);

    /// <summary>Milliseconds; null: it is not there.</summary>
    public static long? Duration(MlflowRequest request, string name) =>
        request.TextOrNull(name) is not { } text ? null
        : text.EndsWith('s') && decimal.TryParse(text.AsSpan()[..^1], NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
            && Math.Abs(seconds) <= Longest ? (long)(seconds * 1000) : throw MlflowRequest.Wrong(name, text);

    public static void Time(Utf8JsonWriter json, string name, long milliseconds)
    {
        var time = DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(milliseconds, -62_135_596_800_000, 253_402_300_799_999));
        json.WriteString(name, time.ToString(milliseconds % 1000 == 0 ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
    }

    public static void Duration(Utf8JsonWriter json, string name, long milliseconds) =>
        json.WriteString(name, milliseconds % 1000 == 0 ? $"{milliseconds / 1000}s" : $"{(milliseconds < 0 ? "-" : "")}{Math.Abs(milliseconds / 1000)}.{Math.Abs(milliseconds % 1000):000}s");
}
