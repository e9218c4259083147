namespace Takt.Data;

/// <param name="Before">DuckDB's type; null: the column was not there.</param>
/// <param name="Now">DuckDB's type; null: it is gone.</param>
public sealed record ColumnChange(string Name, string? Before, string? Now);
