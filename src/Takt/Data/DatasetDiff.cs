namespace Takt.Data;

/// <summary>What lies between two versions: files by path, columns by name, rows by key.</summary>
/// <param name="Files">Those that differ, by path.</param>
/// <param name="SameFiles">How many are equal on both sides; their rows are not read.</param>
/// <param name="Columns">Those that differ.</param>
/// <param name="Rows">Null: no tables on both sides, or not asked for; <paramref name="NoRows"/> says why.</param>
public sealed record DatasetDiff(string From, string To, IReadOnlyList<FileChange> Files, long SameFiles, IReadOnlyList<ColumnChange> Columns, RowDiff? Rows, string? NoRows)
{
    public bool IsEmpty => Files.Count == 0 && Columns.Count == 0;
}
