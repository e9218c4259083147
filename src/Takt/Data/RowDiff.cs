namespace Takt.Data;

/// <summary>Rows that differ. With a key a row can have changed; without one, whole rows are counted and a change is one removed and one added.</summary>
/// <param name="Key">Empty: whole rows were compared.</param>
/// <param name="Inferred">The key was found, not given: the one column without a missing or repeated value in both versions.</param>
/// <param name="Same">Rows of the files that differ which are equal on both sides; rows of equal files are not counted.</param>
/// <param name="ChangedColumns">Of the changed rows, how many differ in each column.</param>
/// <param name="Samples">The first of each kind in order of the key.</param>
public sealed record RowDiff(IReadOnlyList<string> Key, bool Inferred, long Added, long Removed, long Changed, long Same, IReadOnlyDictionary<string, long> ChangedColumns, IReadOnlyList<RowChange> Samples);
