using System.Text;
using Takt.Data;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>A field of a signature, and how columns become it.</summary>
/// <param name="Wire">Boolean, Integer, Number, Text or Time: how its values are held.</param>
sealed record SignatureField(Field Field, byte[] Name, ColumnType Wire)
{
    public static SignatureField Of(Field field) => new(field, Encoding.UTF8.GetBytes(field.Name), field.Type switch
    {
        FieldType.Boolean => ColumnType.Boolean,
        FieldType.Integer or FieldType.Long => ColumnType.Integer,
        FieldType.Float or FieldType.Double => ColumnType.Number,
        FieldType.Datetime => ColumnType.Time,
        _ => ColumnType.Text,
    });

    /// <summary>The column as the signature has it; the same one where nothing has to be done.</summary>
    /// <returns>Null: it is in <paramref name="faults"/>.</returns>
    public Column? Fit(Table table, List<string> faults)
    {
        if (table.Find(Field.Name) is not { } column)
        {
            if (!Field.Required) return Missing(table.Rows);
            faults.Add($"input '{Field.Name}' ({Field.Type.ToString().ToLowerInvariant()}) is missing");
            return null;
        }
        if (Fit(column) is not { } fitted) faults.Add($"input '{Field.Name}' must be {Field.Type.ToString().ToLowerInvariant()}, not {column.Type.ToString().ToLowerInvariant()}");
        else if (Field.Type == FieldType.Integer && TooLong(fitted) is { } row) faults.Add($"input '{Field.Name}', row {row}: {fitted.Integers[row]} does not fit into an integer of 32 bits");
        else return fitted;
        return null;
    }

    /// <summary>Null: it can't be read so.</summary>
    public Column? Fit(Column column) => Wire switch
    {
        ColumnType.Text => column.Type == ColumnType.Text ? WithFlags(column) : WithFlags(Column.Of(column.Name, Each(column, column.TextAt))),
        _ when column.Type == Wire => column,
        ColumnType.Number => column.Type == ColumnType.Text ? null : Column.Of(column.Name, Each(column, column.NumberAt)),
        ColumnType.Integer or ColumnType.Boolean => Whole(column),
        _ => column.Type == ColumnType.Integer ? Column.Over(column.Name, ColumnType.Time, column.Values, column.Length, column.Missing) : Times(column),
    };

    static Column WithFlags(Column column)
    {
        if (column.Missing is not null) return column;
        bool[]? missing = null;
        for (var row = 0; row < column.Length; row++)
            if (column.Texts[row] is null) (missing ??= new bool[column.Length])[row] = true;
        return missing is null ? column : Column.Over(column.Name, ColumnType.Text, column.Values, column.Length, missing);
    }

    Column? Whole(Column column)
    {
        if (column.Type is ColumnType.Text or ColumnType.Time) return null;
        var (values, flags) = (new long[column.Length], new bool[column.Length]);
        bool[]? missing = null;
        for (var row = 0; row < column.Length; row++)
        {
            var number = column.NumberAt(row);
            if (double.IsNaN(number))
            {
                (missing ??= new bool[column.Length])[row] = true;
                continue;
            }
            if (column.Type == ColumnType.Integer) values[row] = column.Integers[row];
            else if (number != Math.Floor(number) || Math.Abs(number) > 1L << 53) return null;
            else values[row] = (long)number;
            if (Wire == ColumnType.Boolean && values[row] is not (0 or 1)) return null;
            flags[row] = values[row] == 1;
        }
        return Wire == ColumnType.Boolean ? Column.Of(column.Name, flags, missing) : Column.Of(column.Name, values, missing);
    }

    static Column? Times(Column column)
    {
        if (column.Type != ColumnType.Text) return null;
        var values = new long[column.Length];
        bool[]? missing = null;
        for (var row = 0; row < column.Length; row++)
            if (column.Texts[row] is not { } text) (missing ??= new bool[column.Length])[row] = true;
            else if (DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time)) values[row] = (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / 10;
            else return null;
        return Column.OfTimes(column.Name, values, missing);
    }

    Column Missing(int rows)
    {
        var gone = Wire == ColumnType.Number ? null : Enumerable.Repeat(true, rows).ToArray();
        return Wire switch
        {
            ColumnType.Number => Column.Of(Field.Name, Enumerable.Repeat(double.NaN, rows).ToArray()),
            ColumnType.Text => Column.Of(Field.Name, new string?[rows], gone),
            ColumnType.Boolean => Column.Of(Field.Name, new bool[rows], gone),
            _ => Column.Over(Field.Name, Wire, new long[rows], rows, gone),
        };
    }

    static int? TooLong(Column column)
    {
        for (var row = 0; row < column.Length; row++)
            if (column.Integers[row] is < int.MinValue or > int.MaxValue && !column.IsMissing(row)) return row;
        return null;
    }

    static T[] Each<T>(Column column, Func<int, T> at)
    {
        var values = new T[column.Length];
        for (var row = 0; row < values.Length; row++) values[row] = at(row);
        return values;
    }
}
