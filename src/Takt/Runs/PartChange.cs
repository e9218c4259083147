namespace Takt.Runs;

/// <param name="Part">A part of a stage's key, such as <c>in:data/train.parquet</c>.</param>
/// <param name="Before">Null: it was not part of the key.</param>
/// <param name="Now">Null: it is no longer part of it.</param>
public sealed record PartChange(string Part, string? Before, string? Now);
