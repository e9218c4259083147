namespace Takt.Runs.Traces;

/// <summary>What is to change of an assessment; null stays as it is.</summary>
/// <param name="Kind">The kind that a new value is for.</param>
/// <param name="Value">JSON.</param>
/// <param name="Error">JSON; set together with a feedback's value.</param>
public sealed record AssessmentChange(
    string? Name = null, string? Kind = null, string? Value = null, string? Error = null, string? Rationale = null, IReadOnlyList<KeyValuePair<string, string>>? Metadata = null,
    bool? Valid = null);
