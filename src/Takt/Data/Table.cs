namespace Takt.Data;

/// <summary>Columns of equal length in memory: what trainers, runtimes and evaluations take and give.</summary>
public sealed class Table
{
    readonly Dictionary<string, Column> _byName;

    /// <exception cref="TaktException">Invalid: columns of unequal length, or two of one name.</exception>
    public Table(IReadOnlyList<Column> columns)
    {
        Columns = columns;
        Rows = columns.Count == 0 ? 0 : columns[0].Length;
        _byName = new(columns.Count, StringComparer.Ordinal);
        foreach (var column in columns)
        {
            if (column.Length != Rows) throw TaktException.Invalid($"column '{column.Name}' has {column.Length} rows, others have {Rows}");
            if (!_byName.TryAdd(column.Name, column)) throw TaktException.Invalid($"two columns are named '{column.Name}'");
        }
    }

    public IReadOnlyList<Column> Columns { get; }

    public int Rows { get; }

    /// <exception cref="TaktException">Invalid: no such column; the message names those that there are.</exception>
    public Column this[string name] => _byName.TryGetValue(name, out var column) ? column
        : throw TaktException.Invalid($"no column '{name}'; there are: {string.Join(", ", _byName.Keys)}");

    public Column? Find(string name) => _byName.GetValueOrDefault(name);
}
