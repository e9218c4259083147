using System.Data.Common;

namespace Takt.Data;

/// <summary>Grows one column while rows stream in. The reader's values must already be of the column's own type.</summary>
sealed class ColumnBuilder(string name, ColumnType type)
{
    Array _values = Make(type, 1024);
    bool[]? _missing;
    int _length;

    public void Append(DbDataReader reader, int ordinal)
    {
        if (_length == _values.Length) Grow();
        var row = _length++;
        if (reader.IsDBNull(ordinal))
        {
            (_missing ??= new bool[_values.Length])[row] = true;
            if (type == ColumnType.Number) ((double[])_values)[row] = double.NaN;
            return;
        }
        switch (type)
        {
            case ColumnType.Boolean: ((bool[])_values)[row] = reader.GetBoolean(ordinal); break;
            case ColumnType.Number: ((double[])_values)[row] = reader.GetDouble(ordinal); break;
            case ColumnType.Text: ((string?[])_values)[row] = reader.GetString(ordinal); break;
            default: ((long[])_values)[row] = reader.GetInt64(ordinal); break;
        }
    }

    public Column Build() => Column.Over(name, type, _values, _length, _missing);

    void Grow()
    {
        var larger = Make(type, _values.Length * 2);
        Array.Copy(_values, larger, _length);
        _values = larger;
        if (_missing is not null) Array.Resize(ref _missing, larger.Length);
    }

    static Array Make(ColumnType type, int length) => type switch
    {
        ColumnType.Boolean => new bool[length],
        ColumnType.Number => new double[length],
        ColumnType.Text => new string?[length],
        _ => new long[length],
    };
}
