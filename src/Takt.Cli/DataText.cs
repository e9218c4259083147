using System.Globalization;
using System.Text;
using System.Text.Json;
using Takt.Data;

namespace Takt.Cli;

/// <summary>Data as a reader in a terminal wants it.</summary>
static class DataText
{
    public static string Short(Digest id) => "sha256:" + id.Hex[..12];

    /// <summary>A path as one line, whatever its name holds.</summary>
    public static string OneLine(string path) => path.Any(char.IsControl) ? JsonSerializer.Serialize(path) : path;

    public static string Count(long? rows) => rows?.ToString("N0", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>A number of things: <c>1 file</c>, <c>2 files</c>.</summary>
    public static string Count(long count, string one) => string.Create(CultureInfo.InvariantCulture, $"{count:N0} {one}{(count == 1 ? "" : "s")}");

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>In two units at most: <c>5 h 33 min</c>.</summary>
    public static string Took(TimeSpan time) => time < TimeSpan.FromMinutes(1) ? $"{time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s" : time < TimeSpan.FromHours(1) ? $"{(int)time.TotalMinutes} min {time.Seconds} s"
        : time < TimeSpan.FromDays(2) ? $"{(int)time.TotalHours} h {time.Minutes} min" : $"{(int)time.TotalDays} d {time.Hours} h";

    public static string Size(long bytes) => bytes switch
    {
        < 1L << 10 => $"{bytes} B",
        < 1L << 20 => $"{bytes / 1024.0:F1} KiB",
        < 1L << 30 => $"{bytes / (double)(1 << 20):F1} MiB",
        _ => $"{bytes / (double)(1 << 30):F1} GiB",
    };

    /// <summary>Columns side by side, as wide as their widest cell (60 at most); the last one is as long as it is.</summary>
    public static void Rows(IReadOnlyList<string> heads, IEnumerable<string[]> rows)
    {
        var all = rows.Select(row => row.Select(OneLine).Select((cell, i) => cell.Length > 60 && i < row.Length - 1 ? cell[..59] + "…" : cell).ToArray()).ToList();
        var widths = heads.Select((head, i) => all.Select(row => row[i].Length).Append(head.Length).Max()).ToArray();
        foreach (var row in all.Prepend([.. heads]))
            Console.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }

    /// <summary>One JSON object a row.</summary>
    public static void Lines(Table table)
    {
        for (var row = 0; row < table.Rows; row++)
        {
            using var line = new MemoryStream();
            using (var writer = new Utf8JsonWriter(line))
            {
                writer.WriteStartObject();
                foreach (var column in table.Columns)
                {
                    if (column.IsMissing(row)) writer.WriteNull(column.Name);
                    else if (column.Type == ColumnType.Boolean) writer.WriteBoolean(column.Name, column.Booleans[row]);
                    else if (column.Type == ColumnType.Integer) writer.WriteNumber(column.Name, column.Integers[row]);
                    else if (column.Type == ColumnType.Number && double.IsFinite(column.Numbers[row])) writer.WriteNumber(column.Name, column.Numbers[row]);
                    else writer.WriteString(column.Name, column.TextAt(row));
                }
                writer.WriteEndObject();
            }
            Console.WriteLine(Encoding.UTF8.GetString(line.ToArray()));
        }
    }

    public static string[] Column(ColumnProfile column) =>
    [
        column.Name, column.Type.ToString().ToLowerInvariant(), Count(column.Missing), Count(column.Distinct),
        Value(column, column.Min), Value(column, column.Quantiles.Count == 11 ? column.Quantiles[5] : null), Value(column, column.Max),
        Value(column, column.Mean), column.Type == ColumnType.Time ? "" : Value(column, column.Std),
        string.Join(", ", column.Top.Take(3).Select(top => $"{top.Value} ({Count(top.Count)})")),
    ];

    static string Value(ColumnProfile column, double? value) => value switch
    {
        null => "",
        _ when column.Type == ColumnType.Time => Time(DateTimeOffset.UnixEpoch.AddTicks((long)(value.Value * 10))),
        _ => value.Value.ToString("G6", CultureInfo.InvariantCulture),
    };
}
