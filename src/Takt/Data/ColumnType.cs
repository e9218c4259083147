namespace Takt.Data;

/// <summary>How a column is held in memory; the storage type of a file or a signature may be narrower.</summary>
public enum ColumnType
{
    Boolean,
    /// <summary>64-bit signed integer.</summary>
    Integer,
    /// <summary>64-bit floating point; NaN is a missing value.</summary>
    Number,
    Text,
    /// <summary>Microseconds since 1970-01-01 UTC.</summary>
    Time,
}
