namespace Takt.Runs;

/// <summary>One page of runs.</summary>
/// <param name="Columns">Those of the cells, patterns opened.</param>
public sealed record RunGridPage(IReadOnlyList<RunColumn> Columns, IReadOnlyList<RunGridRow> Rows, bool More, bool Earlier);
