namespace Takt.Models;

/// <summary>What a model takes and gives: named, typed columns, one row a prediction.</summary>
public sealed record Signature(IReadOnlyList<Field> Inputs, IReadOnlyList<Field> Outputs);
