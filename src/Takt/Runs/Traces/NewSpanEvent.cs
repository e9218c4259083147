namespace Takt.Runs.Traces;

/// <param name="Time">Nanoseconds since 1970.</param>
public sealed record NewSpanEvent(string Name, ulong Time, List<KeyValuePair<string, object?>> Attributes);
