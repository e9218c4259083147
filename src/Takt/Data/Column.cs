namespace Takt.Data;

/// <summary>One column of a <see cref="Table"/>: a typed array and which of its values are missing.</summary>
/// <remarks>The arrays may be longer than the column (they may be pooled); read <see cref="Length"/> values.</remarks>
public sealed class Column
{
    Column(string name, ColumnType type, int length, Array values, bool[]? missing)
    {
        Name = name;
        Type = type;
        Length = length;
        Values = values;
        Missing = missing;
    }

    public string Name { get; }
    public ColumnType Type { get; }
    public int Length { get; }

    /// <summary><c>bool[]</c>, <c>long[]</c> (Integer, Time), <c>double[]</c> or <c>string[]</c>.</summary>
    public Array Values { get; }

    /// <summary>True where a value is missing; null when none is. A Number that is NaN, and a Text that is null, are missing as well.</summary>
    public bool[]? Missing { get; }

    public bool[] Booleans => (bool[])Values;
    public long[] Integers => (long[])Values;
    public double[] Numbers => (double[])Values;
    public string?[] Texts => (string?[])Values;

    public static Column Of(string name, bool[] values, bool[]? missing = null) => new(name, ColumnType.Boolean, values.Length, values, missing);
    public static Column Of(string name, long[] values, bool[]? missing = null) => new(name, ColumnType.Integer, values.Length, values, missing);
    public static Column Of(string name, double[] values, bool[]? missing = null) => new(name, ColumnType.Number, values.Length, values, missing);
    public static Column Of(string name, string?[] values, bool[]? missing = null) => new(name, ColumnType.Text, values.Length, values, missing);
    public static Column OfTimes(string name, long[] microseconds, bool[]? missing = null) => new(name, ColumnType.Time, microseconds.Length, microseconds, missing);

    /// <summary>The first <paramref name="length"/> values of <paramref name="values"/>, which may come from a pool.</summary>
    public static Column Over(string name, ColumnType type, Array values, int length, bool[]? missing = null) => new(name, type, length, values, missing);

    public bool IsMissing(int row) =>
        (Missing is not null && Missing[row])
        || (Type == ColumnType.Number && double.IsNaN(Numbers[row]))
        || (Type == ColumnType.Text && Texts[row] is null);

    /// <summary>The value as a number: booleans are 0 and 1, missing is NaN.</summary>
    /// <exception cref="TaktException">Invalid: a Text column.</exception>
    public double NumberAt(int row) => IsMissing(row) ? double.NaN : Type switch
    {
        ColumnType.Boolean => Booleans[row] ? 1 : 0,
        ColumnType.Integer or ColumnType.Time => Integers[row],
        ColumnType.Number => Numbers[row],
        _ => throw TaktException.Invalid($"column '{Name}' holds text, not numbers"),
    };

    /// <summary>The value as text in the invariant culture; null when missing.</summary>
    public string? TextAt(int row) => IsMissing(row) ? null : Type switch
    {
        ColumnType.Boolean => Booleans[row] ? "true" : "false",
        ColumnType.Integer => Integers[row].ToString(),
        ColumnType.Number => Numbers[row].ToString("R"),
        ColumnType.Time => DateTimeOffset.UnixEpoch.AddTicks(Integers[row] * 10).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'"),
        _ => Texts[row],
    };
}
