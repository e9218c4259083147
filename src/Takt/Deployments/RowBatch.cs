using System.Text;
using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>
/// Rows of one request on the short way: numbers row after row, and beside them the texts as they came, which the prediction log keeps. Used again
/// request after request; for one thread at a time.
/// </summary>
public sealed class RowBatch
{
    /// <summary>Buffers that one large request has blown up are let go of.</summary>
    const int LargestKept = 1 << 16;

    [ThreadStatic]
    static RowBatch? _ofThread;

    double[] _matrix = [];
    double[] _scores = [];
    byte[] _texts = new byte[256];
    (int Start, int Length)[] _textAt = [];
    int _textEnd;

    public int Rows { get; private set; }

    public int Columns { get; private set; }

    public ReadOnlySpan<double> Matrix => _matrix.AsSpan(0, Rows * Columns);

    public Span<double> Scores => _scores.AsSpan(0, Rows);

    /// <summary>Takes the calling thread's batch away from it; <see cref="GiveBack"/> it.</summary>
    public static RowBatch Take()
    {
        var batch = _ofThread ?? new RowBatch();
        _ofThread = null;
        return batch;
    }

    public void GiveBack()
    {
        if (_matrix.Length <= LargestKept && _texts.Length <= LargestKept) _ofThread = this;
    }

    public void Begin(int rows, int columns)
    {
        (Rows, Columns, _textEnd) = (rows, columns, 0);
        if (_matrix.Length < rows * columns)
        {
            _matrix = new double[rows * columns];
            _textAt = new (int, int)[rows * columns];
        }
        if (_scores.Length < rows) _scores = new double[rows];
    }

    public void Set(int row, int column, double value) => _matrix[(row * Columns) + column] = value;

    /// <summary>A category's code, and the text that it stands for; <paramref name="missing"/> when there was none.</summary>
    public void Set(int row, int column, double code, ReadOnlySpan<byte> text, bool missing)
    {
        var at = (row * Columns) + column;
        _matrix[at] = code;
        _textAt[at] = (_textEnd, missing ? -1 : text.Length);
        if (missing) return;
        if (_textEnd + text.Length > _texts.Length) Array.Resize(ref _texts, Math.Max(_textEnd + text.Length, _texts.Length * 2));
        text.CopyTo(_texts.AsSpan(_textEnd));
        _textEnd += text.Length;
    }

    /// <summary>A copy of the rows that stays when the batch is used again.</summary>
    public Table ToTable(IReadOnlyList<Feature> features)
    {
        var columns = new List<Column>(Columns);
        for (var column = 0; column < Columns; column++)
        {
            var (name, type) = (features[column].Name, features[column].Type);
            if (type is FieldType.Float or FieldType.Double) columns.Add(Column.Of(name, Values(column, (value, _) => value)));
            else if (type is FieldType.String or FieldType.Binary) columns.Add(Column.Of(name, Values(column, (_, at) => _textAt[at] is var (start, length) && length >= 0 ? Encoding.UTF8.GetString(_texts, start, length) : null)));
            else
            {
                var missing = Values(column, (value, _) => double.IsNaN(value));
                columns.Add(type == FieldType.Boolean ? Column.Over(name, ColumnType.Boolean, Values(column, (value, _) => value != 0 && !double.IsNaN(value)), Rows, missing)
                    : Column.Of(name, Values(column, (value, _) => double.IsNaN(value) ? 0 : (long)value), missing));
            }
        }
        return new Table(columns);
    }

    T[] Values<T>(int column, Func<double, int, T> read)
    {
        var values = new T[Rows];
        for (var row = 0; row < Rows; row++) values[row] = read(_matrix[(row * Columns) + column], (row * Columns) + column);
        return values;
    }

    /// <summary>Writes the rows as <paramref name="source"/>'s columns, and the scores.</summary>
    internal void Write(RecordWriter writer, IReadOnlyList<Feature> features, bool[]? redacted, bool redactScores)
    {
        for (var column = 0; column < Columns; column++)
        {
            var type = features[column].Type;
            for (var row = 0; row < Rows; row++)
            {
                var at = (row * Columns) + column;
                if (redacted is not null && redacted[column])
                {
                    if (type is FieldType.Float or FieldType.Double) writer.Double(double.NaN);
                    else writer.Boolean(false);
                    continue;
                }
                var value = _matrix[at];
                switch (type)
                {
                    case FieldType.Float or FieldType.Double:
                        writer.Double(value);
                        break;
                    case FieldType.String:
                        var (start, length) = _textAt[at];
                        writer.Boolean(length >= 0);
                        if (length >= 0) writer.Text(_texts.AsSpan(start, length));
                        break;
                    case FieldType.Boolean:
                        writer.Boolean(!double.IsNaN(value));
                        if (!double.IsNaN(value)) writer.Boolean(value != 0);
                        break;
                    default:
                        writer.Boolean(!double.IsNaN(value));
                        if (!double.IsNaN(value)) writer.Long((long)value);
                        break;
                }
            }
        }
        for (var row = 0; row < Rows; row++) writer.Double(redactScores ? double.NaN : _scores[row]);
    }
}
