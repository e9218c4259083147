using System.Globalization;
using System.Text.RegularExpressions;
using Takt.Data;

namespace Takt.Pipelines;

/// <summary>
/// <c>expect:</c> as written in the project file: <c>rows: {min, max}</c>, <c>extra-columns: allow|refuse</c> and <c>columns:</c>, each with
/// <c>type</c>, <c>nulls</c>, <c>min</c>, <c>max</c>, <c>matches</c>, <c>in</c>, <c>unique</c>.
/// </summary>
static class ExpectationReader
{
    public static Expectations? Read(StepArguments with)
    {
        if (with.Section("expect") is not { } expect) return null;
        var rows = expect.Section("rows");
        return new Expectations
        {
            MinRows = rows?.Integer("min", 1) ?? 1,
            MaxRows = rows is not null && rows.Has("max") ? rows.Integer("max", 0) : null,
            ExtraColumns = expect.Choice("extra-columns", "allow", "refuse") == "allow",
            Columns = expect.Sections("columns").Select(Column).ToList(),
        };
    }

    static ColumnExpectation Column(StepArguments column)
    {
        ColumnType? type = column.Has("type") ? column.Choice("type", "text", "integer", "number", "boolean", "timestamp") switch
        {
            "integer" => ColumnType.Integer,
            "number" => ColumnType.Number,
            "boolean" => ColumnType.Boolean,
            "timestamp" => ColumnType.Time,
            _ => ColumnType.Text,
        } : null;
        var nulls = column.NumberOrNull("nulls");
        if (nulls is < 0 or > 1) column.Fault("nulls", "nulls is the largest share of missing values, 0 to 1");
        return new ColumnExpectation(column.Name)
        {
            Type = type,
            MaxNulls = nulls,
            Min = Bound(column, "min", type),
            Max = Bound(column, "max", type),
            Matches = Pattern(column),
            In = column.Texts("in"),
            Unique = column.Flag("unique", false),
        };
    }

    static string? Bound(StepArguments column, string key, ColumnType? type)
    {
        if (!column.Has(key)) return null;
        if (type is ColumnType.Text or ColumnType.Boolean)
        {
            _ = column.TextOrNull(key);
            column.Fault(key, $"{key} is for integer, number and timestamp columns");
            return null;
        }
        if (type != ColumnType.Time) return column.NumberOrNull(key) is { } number ? number.ToString("R", CultureInfo.InvariantCulture) : null;
        var text = column.Text(key);
        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            column.Fault(key, $"'{text}' is not a time; write 2001-01-31 or 2001-01-31T12:00:00Z");
            return null;
        }
        return time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.FFFFFF", CultureInfo.InvariantCulture);
    }

    static string? Pattern(StepArguments column)
    {
        var pattern = column.TextOrNull("matches");
        if (pattern is null) return null;
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking); // like RE2, which runs it: no look-around, no back-references
            return pattern;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            column.Fault("matches", $"not a regular expression that can be used here: {e.Message}");
            return null;
        }
    }
}
