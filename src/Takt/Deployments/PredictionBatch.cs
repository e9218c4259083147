using Takt.Data;

namespace Takt.Deployments;

/// <summary>One answered (or failed) request: its rows are the predictions <c>ID:0</c>, <c>ID:1</c> …</summary>
/// <param name="Time">Event time: what the caller says it is about; when it came, by default.</param>
/// <param name="Model">The version that answered, such as <c>flights@3</c>.</param>
/// <param name="Inputs">Null when the request failed before it had rows.</param>
/// <param name="Outputs">Null when it failed.</param>
/// <param name="Error">Empty when it was answered.</param>
public sealed record PredictionBatch(
    string Id, DateTimeOffset Time, DateTimeOffset Received, int Revision, string Model, TimeSpan Latency, Table? Inputs, Table? Outputs, string Error)
{
    /// <summary>The trace that the request belongs to; null: it is not known.</summary>
    public System.Diagnostics.ActivityTraceId? Trace { get; init; }

    /// <summary>What the caller's own system calls each row, so that labels can name it; null: it did not say.</summary>
    public IReadOnlyList<string>? Keys { get; init; }

    public int Rows => Inputs?.Rows ?? 1;
}
