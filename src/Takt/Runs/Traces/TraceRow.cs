namespace Takt.Runs.Traces;

/// <param name="Told">A client has told the trace's own facts.</param>
sealed record TraceRow(long Experiment, string? ClientRequest, string? RequestPreview, string? ResponsePreview, long Started, long? Duration, string State, bool Told);
