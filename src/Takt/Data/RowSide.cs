namespace Takt.Data;

/// <summary>One of two versions that are compared row by row.</summary>
/// <param name="Differing">Files whose rows are compared.</param>
/// <param name="Any">These, or another one for its columns.</param>
sealed record RowSide(IReadOnlyList<string> Differing, IReadOnlyList<string> Any)
{
    /// <summary>The columns, where they are known.</summary>
    public IReadOnlyList<ColumnSchema>? Schema { get; init; }

    /// <summary>What reads <see cref="Differing"/> as these columns.</summary>
    public string? Scan { get; init; }
}
