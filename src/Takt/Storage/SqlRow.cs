using System.Data.Common;

namespace Takt.Storage;

/// <summary>The current row of a query, read by column number. Times are stored as Unix milliseconds.</summary>
public readonly struct SqlRow(DbDataReader reader)
{
    public bool IsNull(int column) => reader.IsDBNull(column);

    public string Text(int column) => reader.GetString(column);

    public string? TextOrNull(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public long Number(int column) => reader.GetInt64(column);

    public long? NumberOrNull(int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    public double Real(int column) => reader.GetDouble(column);

    public double? RealOrNull(int column) => reader.IsDBNull(column) ? null : reader.GetDouble(column);

    public bool Flag(int column) => reader.GetInt64(column) != 0;

    public byte[] Bytes(int column) => reader.GetFieldValue<byte[]>(column);

    /// <summary>A time beyond the years 1 to 9999, which a client's clock may say, is the nearest that there is.</summary>
    public DateTimeOffset Time(int column) => DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(reader.GetInt64(column), -62_135_596_800_000, 253_402_300_799_999));

    public DateTimeOffset? TimeOrNull(int column) => reader.IsDBNull(column) ? null : Time(column);

    public Digest Digest(int column) => Takt.Digest.Parse(reader.GetString(column));

    public T Enum<T>(int column) where T : struct, System.Enum => System.Enum.Parse<T>(reader.GetString(column));
}
