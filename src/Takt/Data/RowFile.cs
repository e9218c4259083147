using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Rows of any database into a Parquet file, as they come: memory is bounded by the engine, which spills.</summary>
public static class RowFile
{
    /// <summary>How a column is kept.</summary>
    public enum Kept
    {
        Text,
        Integer,
        Number,
        Boolean,
        Date,
        Time,
        Bytes,
    }

    /// <summary>What a .NET type is kept as; decimals as Number.</summary>
    public static Kept KeptAs(Type type) =>
        type == typeof(bool) ? Kept.Boolean
        : type == typeof(byte) || type == typeof(sbyte) || type == typeof(short) || type == typeof(ushort) || type == typeof(int) || type == typeof(uint) || type == typeof(long) ? Kept.Integer
        : type == typeof(float) || type == typeof(double) || type == typeof(decimal) ? Kept.Number
        : type == typeof(DateOnly) ? Kept.Date
        : type == typeof(DateTime) || type == typeof(DateTimeOffset) ? Kept.Time
        : type == typeof(byte[]) ? Kept.Bytes
        : Kept.Text;

    /// <returns>How many rows; when there are none, no file.</returns>
    /// <exception cref="TaktException">Invalid: a value does not fit its column; the message names column and row.</exception>
    public static async Task<long> Write(string shown, DbDataReader reader, IReadOnlyList<Kept> columns, string path, CancellationToken cancel)
    {
        var names = Enumerable.Range(0, reader.FieldCount).Select(reader.GetName).ToList();
        if (names.GroupBy(n => n, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } twice) throw TaktException.Invalid($"{shown}: two columns are named '{twice.Key}'; give one another name with AS");
        using var connection = DuckDb.Open(threads: 1);
        DuckDb.Execute(connection, $"create temp table rows({string.Join(", ", names.Select((name, i) => $"{DuckDb.Name(name)} {Stored(columns[i])}"))})");
        var rows = 0L;
        using (var appender = connection.CreateAppender("temp", "main", "rows"))
            while (await reader.ReadAsync(cancel))
            {
                rows++;
                var row = appender.CreateRow();
                for (var i = 0; i < names.Count; i++)
                {
                    if (reader.IsDBNull(i))
                    {
                        row.AppendNullValue();
                        continue;
                    }
                    var value = reader.GetValue(i);
                    try
                    {
                        Append(row, columns[i], value);
                    }
                    catch (Exception e) when (e is FormatException or InvalidCastException or OverflowException)
                    {
                        throw TaktException.Invalid($"{shown}: column '{names[i]}', row {rows:N0}: '{Cut(value)}' is no {columns[i].ToString().ToLowerInvariant()}; cast it in the query");
                    }
                }
                row.EndRow();
            }
        if (rows > 0) DuckDb.Guard(shown, () => Tables.WriteParquet(connection, "select * from rows", path, null, cancel));
        return rows;
    }

    static void Append(IDuckDBAppenderRow row, Kept kept, object value)
    {
        var culture = CultureInfo.InvariantCulture;
        switch (kept)
        {
            case Kept.Integer: row.AppendValue(Convert.ToInt64(value, culture)); break;
            case Kept.Number: row.AppendValue(Convert.ToDouble(value, culture)); break;
            case Kept.Boolean: row.AppendValue(Convert.ToBoolean(value, culture)); break;
            case Kept.Date: row.AppendValue(value as DateOnly? ?? DateOnly.FromDateTime(Convert.ToDateTime(value, culture))); break;
            case Kept.Time: row.AppendValue(value is DateTimeOffset offset ? offset.UtcDateTime : value is string text ? DateTimeOffset.Parse(text, culture, DateTimeStyles.AssumeUniversal).UtcDateTime : Convert.ToDateTime(value, culture)); break;
            case Kept.Bytes: row.AppendValue((byte[])value); break;
            default: row.AppendValue(Text(value)); break;
        }
    }

    static string Text(object value) => value switch
    {
        string text => text,
        Array list => "[" + string.Join(",", list.Cast<object?>().Select(item => item is null ? "null" : item is string or Guid or DateTime ? JsonSerializer.Serialize(Text(item), DataJson.Default.String) : Text(item))) + "]",
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    static string Cut(object value) => Text(value) is { Length: > 40 } text ? text[..40] + "…" : Text(value);

    static string Stored(Kept kept) => kept switch
    {
        Kept.Integer => "bigint",
        Kept.Number => "double",
        Kept.Boolean => "boolean",
        Kept.Date => "date",
        Kept.Time => "timestamp",
        Kept.Bytes => "blob",
        _ => "varchar",
    };
}
