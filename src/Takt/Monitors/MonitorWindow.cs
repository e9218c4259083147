using Takt.Evaluation;

namespace Takt.Monitors;

/// <summary>What a monitor saw in one window of event time.</summary>
/// <param name="Model">The version that answered most of its predictions.</param>
/// <param name="Drift">The column that moved most first; empty when the window has too few rows.</param>
/// <param name="Performance">Metrics on the labelled rows; empty before enough labels are there.</param>
/// <param name="Verdict"><c>ok</c>, <c>alert</c>, <c>few rows</c>, <c>waiting for labels</c>, <c>baseline</c> (it is part of what later ones are compared with), <c>no baseline yet</c>, <c>no predictions</c> (of as many windows one after another as there are).</param>
public sealed record MonitorWindow(
    string Monitor, DateTimeOffset Start, DateTimeOffset End, long Rows, long Labelled, string Model,
    IReadOnlyList<ColumnDrift> Drift, IReadOnlyDictionary<string, double> Performance, string Verdict)
{
    /// <summary>Of a model that says classes, what it took for what, on the labelled rows; null before enough labels are there, and of any other model.</summary>
    public Confusion? Confusion { get; init; }
}
