namespace Takt.Runs.Traces;

/// <summary>
/// A span as a client sends it. Values of attributes are null, bool, long, double, string, byte[], <c>List&lt;object?&gt;</c> or
/// <c>List&lt;KeyValuePair&lt;string, object?&gt;&gt;</c>.
/// </summary>
/// <param name="Trace">16 bytes.</param>
/// <param name="Id">8 bytes.</param>
/// <param name="Parent">8 bytes; empty: the root.</param>
/// <param name="Status">0 unset, 1 OK, 2 error, as OpenTelemetry has them.</param>
public sealed record NewSpan(
    byte[] Trace, byte[] Id, byte[] Parent, string Name, ulong Started, ulong Ended, int Status, string Message,
    List<KeyValuePair<string, object?>> Attributes, List<NewSpanEvent> Events)
{
    public List<NewSpanLink> Links { get; init; } = [];
}
