namespace Takt.Runs;

/// <summary>A run as a row: its attributes, and one cell for each column that was asked for.</summary>
/// <param name="Started">Unix milliseconds.</param>
public sealed record RunGridRow(
    string Id, long Experiment, string ExperimentName, string Name, string User, string Status, long Started, long? Ended, string? Parent, RunGridCell[] Cells)
{
    /// <summary>The gate and the rule that stopped it; null when none did.</summary>
    public string? Refused { get; init; }
}
