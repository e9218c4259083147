namespace Takt.Evaluation;

/// <param name="Left">Value of the rule's left side; null when it has none.</param>
/// <param name="Reason">Why it failed or does not apply; empty when it passed.</param>
public sealed record GateOutcome(string Rule, GateVerdict Verdict, double? Left, double? Right, string Reason);
