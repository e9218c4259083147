namespace Takt.Data;

/// <param name="Type">How a <see cref="Table"/> holds it.</param>
/// <param name="Stored">DuckDB's name of the type in the file, such as <c>SMALLINT</c>.</param>
public sealed record ColumnSchema(string Name, ColumnType Type, string Stored)
{
    /// <summary>How a <see cref="Table"/> holds a column of one of DuckDB's types. Whole numbers of more than 64 bits are held as Number.</summary>
    public static ColumnType Held(string stored) => stored switch
    {
        "BOOLEAN" => ColumnType.Boolean,
        "TINYINT" or "SMALLINT" or "INTEGER" or "BIGINT" or "UTINYINT" or "USMALLINT" or "UINTEGER" or "UBIGINT" => ColumnType.Integer,
        "FLOAT" or "DOUBLE" or "HUGEINT" or "UHUGEINT" => ColumnType.Number,
        "DATE" => ColumnType.Time,
        _ when stored.StartsWith("TIMESTAMP", StringComparison.Ordinal) => ColumnType.Time,
        _ when stored.StartsWith("DECIMAL", StringComparison.Ordinal) => ColumnType.Number,
        _ => ColumnType.Text,
    };
}
