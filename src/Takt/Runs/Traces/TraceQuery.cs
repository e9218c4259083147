namespace Takt.Runs.Traces;

/// <param name="Filter">MLflow's filter language; docs/traces.md.</param>
/// <param name="After">The token of the page before; null: the first page.</param>
public sealed record TraceQuery(IReadOnlyList<long> Experiments, string? Filter, IReadOnlyList<string> OrderBy, int Limit, string? After);
