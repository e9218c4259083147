namespace Takt.Data;

/// <summary>One row that differs.</summary>
/// <param name="Kind"><c>added</c>, <c>removed</c> or <c>changed</c>.</param>
/// <param name="Before">Column → value as text; of a changed row the key and what differs. Null: the row was not there.</param>
/// <param name="Now">As <paramref name="Before"/>; null: the row is gone.</param>
public sealed record RowChange(string Kind, IReadOnlyDictionary<string, string?>? Before, IReadOnlyDictionary<string, string?>? Now);
