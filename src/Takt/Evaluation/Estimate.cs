namespace Takt.Evaluation;

/// <summary>A metric's value on some rows and how sure it is.</summary>
/// <param name="Value">Null when it is not defined on these rows.</param>
/// <param name="Low">Lower end of the 95 % bootstrap interval; null when there is none.</param>
/// <param name="Reason">Why there is no value.</param>
public sealed record Estimate(double? Value, double? Low, double? High, string? Reason = null);
