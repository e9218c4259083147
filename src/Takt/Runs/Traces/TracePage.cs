namespace Takt.Runs.Traces;

/// <param name="Next">The token for the page after this one; null: there is none.</param>
public sealed record TracePage(List<TraceInfo> Traces, string? Next);
