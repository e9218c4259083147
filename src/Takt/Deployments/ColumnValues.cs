using System.Text;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>A column that grows while records are read.</summary>
sealed class ColumnValues
{
    /// <summary>Equal texts are held once, up to this many different ones: most text columns of a model are categories.</summary>
    const int MostTexts = 10_000;
    const int LongestShared = 128;

    readonly LogColumn _column;
    readonly Dictionary<string, string>? _texts;
    Array _values;
    bool[]? _missing;
    int _count;

    public ColumnValues(LogColumn column, int room)
    {
        _column = column;
        _values = Make(room);
        if (column.Type == ColumnType.Text) _texts = new(StringComparer.Ordinal);
    }

    public LogColumn Column => _column;

    public void Append(ref RecordReader reader)
    {
        Grow();
        if (_column.Type == ColumnType.Number) ((double[])_values)[_count] = reader.Double();
        else if (!reader.Boolean()) Missing();
        else if (_column.Type == ColumnType.Boolean) ((bool[])_values)[_count] = reader.Boolean();
        else if (_column.Type == ColumnType.Text) ((string?[])_values)[_count] = Shared(reader.Utf8());
        else ((long[])_values)[_count] = reader.Long();
        _count++;
    }

    public void Append(Column from)
    {
        for (var row = 0; row < from.Length; row++)
        {
            Grow();
            Array.Copy(from.Values, row, _values, _count, 1);
            if (from.Type != ColumnType.Number && from.IsMissing(row)) Missing();
            _count++;
        }
    }

    public Column Build(string prefix) => Data.Column.Over(prefix + _column.Name, _column.Type, _values, _count, _missing);

    /// <summary>Room for other values, which a column that was built of these must not outlive.</summary>
    public void Clear() => (_count, _missing) = (0, null);

    void Missing() => (_missing ??= new bool[_values.Length])[_count] = true;

    void Grow()
    {
        if (_count < _values.Length) return;
        var larger = Make(Math.Max(16, _count * 2));
        Array.Copy(_values, larger, _count);
        _values = larger;
        if (_missing is not null) Array.Resize(ref _missing, larger.Length);
    }

    Array Make(int length) => _column.Type switch
    {
        ColumnType.Number => new double[length],
        ColumnType.Boolean => new bool[length],
        ColumnType.Text => new string?[length],
        _ => new long[length],
    };

    string Shared(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > LongestShared) return Encoding.UTF8.GetString(utf8);
        Span<char> chars = stackalloc char[LongestShared];
        var text = chars[..Encoding.UTF8.GetChars(utf8, chars)];
        if (_texts!.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out var known)) return known;
        known = text.ToString();
        if (_texts.Count < MostTexts) _texts[known] = known;
        return known;
    }
}
