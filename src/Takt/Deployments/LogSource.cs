namespace Takt.Deployments;

/// <summary>What the records of one revision have in common; a journal holds it once, in front of them.</summary>
/// <param name="Number">Within one opened log.</param>
public sealed record LogSource(int Number, int Revision, string Model, IReadOnlyList<LogColumn> Inputs, IReadOnlyList<LogColumn> Outputs);
