namespace Takt.Runs.Traces;

/// <summary>One step of a trace, as it is kept.</summary>
/// <param name="Trace">The trace's id, <c>tr-</c> and 32 hex digits.</param>
/// <param name="Id">16 hex digits.</param>
/// <param name="Parent">Null: the root.</param>
/// <param name="Status"><c>OK</c>, <c>ERROR</c> or <c>UNSET</c>.</param>
/// <param name="Started">Nanoseconds since 1970.</param>
/// <param name="Ended">Nanoseconds since 1970; null while it is running.</param>
/// <param name="Content">The whole span as JSON; docs/formats.md tells its members.</param>
public sealed record Span(string Trace, string Id, string? Parent, string Name, string? Type, string Status, long Started, long? Ended, string Content);
