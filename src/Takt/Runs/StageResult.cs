namespace Takt.Runs;

/// <summary>What a key gave when it ran.</summary>
/// <param name="Outputs">Each file that the stage wrote and its SHA-256 (<c>+x</c> behind an executable one).</param>
/// <param name="Tags">Lineage, as the step told it.</param>
public sealed record StageResult(
    Digest Key,
    string Stage,
    IReadOnlyDictionary<string, string> Outputs,
    IReadOnlyDictionary<string, double> Metrics,
    IReadOnlyDictionary<string, string> Tags,
    string Summary);
