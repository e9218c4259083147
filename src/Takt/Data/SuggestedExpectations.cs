using System.Globalization;
using System.Text;

namespace Takt.Data;

/// <summary>Expectations that a profile meets, with some room, as YAML: a start for somebody who knows the data to correct.</summary>
public static class SuggestedExpectations
{
    /// <summary>A text column with at most this many different values, each seen often, is taken for a closed set.</summary>
    const int ClosedSet = 20;

    /// <summary>What stands under an entry of <c>data:</c>, indented for it.</summary>
    public static string Yaml(TableProfile profile)
    {
        var yaml = new StringBuilder();
        if (profile.Kinds is { } kinds) yaml.Append(CultureInfo.InvariantCulture, $"# {TableKind.Told(kinds).ReplaceLineEndings(" ")}\n");
        yaml.Append("expect:\n");
        // half to twice the rows: tight enough for an empty or a doubled load, wide enough for a busy week
        yaml.Append(CultureInfo.InvariantCulture, $"  rows: {{ min: {Math.Max(1, profile.Rows / 2)}, change: 50% }}\n");
        yaml.Append("  since-last: { dropped-columns: refuse, types: refuse, new-columns: warn }\n");
        yaml.Append("  columns:\n");
        foreach (var column in profile.Columns) yaml.Append(CultureInfo.InvariantCulture, $"    {YamlText.Of(column.Name)}: {{ {string.Join(", ", Rules(column, profile.Rows))} }}\n");
        return yaml.ToString();
    }

    static IEnumerable<string> Rules(ColumnProfile column, long rows)
    {
        yield return "type: " + column.Type switch { ColumnType.Time => "timestamp", var type => type.ToString().ToLowerInvariant() };
        if (rows > 0)
        {
            if (column.Missing == 0) yield return "nulls: 0";
            else if (column.Missing < rows) yield return $"nulls: {Number(Math.Min(1, Math.Ceiling(column.Missing * 1.5 / rows * 1000) / 1000))}";
        }
        if (column is { Missing: 0, Type: ColumnType.Integer or ColumnType.Text } && column.Distinct == rows && rows > 1)
        {
            yield return "unique: true";
            yield break;
        }
        if (column.Type == ColumnType.Text && column.TopIsAll && column.Distinct <= ClosedSet && column.Count >= column.Distinct * 20)
            yield return $"in: [{string.Join(", ", column.Top.Select(top => YamlText.Of(top.Value)).Order(StringComparer.Ordinal))}]";
        if (column is { Type: ColumnType.Integer or ColumnType.Number, Min: { } min, Max: { } max })
        {
            // a tenth of the span on either side; a count or a price does not go below 0 for that
            var room = (max - min) / 10;
            var low = min >= 0 ? Math.Max(0, min - room) : min - room;
            yield return $"min: {Number(Rounded(low, room, down: true))}";
            yield return $"max: {Number(Rounded(max + room, room, down: false))}";
        }
        if (column.Type == ColumnType.Number || column is { Type: ColumnType.Text, TopIsAll: true }) yield return "drift: { psi: 0.25 }";
    }

    // to two digits of the room, outwards
    static double Rounded(double value, double room, bool down)
    {
        if (room <= 0) return value;
        var unit = Math.Pow(10, Math.Floor(Math.Log10(room)) - 1);
        var steps = value / unit;
        return (down ? Math.Floor(steps) : Math.Ceiling(steps)) * unit is var rounded && Math.Abs(rounded) < 1e15 ? Math.Round(rounded, Math.Clamp(-(int)Math.Floor(Math.Log10(unit)), 0, 15)) : value;
    }

    static string Number(double value) => value.ToString(Math.Abs(value) < 1e15 && value == Math.Floor(value) ? "0" : "R", CultureInfo.InvariantCulture);
}
