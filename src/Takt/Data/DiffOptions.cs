namespace Takt.Data;

/// <summary>How two versions are compared.</summary>
public sealed record DiffOptions
{
    /// <summary>The columns that name a row; empty: found from the profiles, and where none is, whole rows are compared.</summary>
    public IReadOnlyList<string> Key { get; init; } = [];

    /// <summary>How many rows of each kind are shown.</summary>
    public int Samples { get; init; } = 5;

    /// <summary>False: files and columns only.</summary>
    public bool Rows { get; init; } = true;

    /// <summary>Text of fewer bytes goes to SQL as it is: there is nothing to win.</summary>
    internal long TextFrom { get; init; } = 8 << 20;

    public QueryLimits Limits { get; init; } = new();
}
