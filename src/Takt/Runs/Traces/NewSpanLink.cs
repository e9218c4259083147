namespace Takt.Runs.Traces;

/// <summary>A span's link to one that is not its parent, perhaps of another trace.</summary>
/// <param name="Trace">16 bytes, by the standard.</param>
/// <param name="Span">8 bytes, by the standard.</param>
public sealed record NewSpanLink(byte[] Trace, byte[] Span, List<KeyValuePair<string, object?>> Attributes);
