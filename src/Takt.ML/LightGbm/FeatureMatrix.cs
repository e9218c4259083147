using Takt.Data;
using Takt.Models;

namespace Takt.ML.LightGbm;

/// <summary>A table's columns as LightGBM takes them: row after row of doubles, categories as their codes, missing as NaN.</summary>
sealed class FeatureMatrix
{
    readonly IReadOnlyList<Feature> _features;
    readonly Dictionary<string, int>?[] _codes;

    public FeatureMatrix(IReadOnlyList<Feature> features)
    {
        _features = features;
        _codes = features.Select(f => f.Categories is null ? null
            : f.Categories.Select((value, code) => (value, code)).ToDictionary(c => c.value, c => c.code, StringComparer.Ordinal)).ToArray();
    }

    public int Columns => _features.Count;

    /// <param name="matrix">Room for rows × <see cref="Columns"/>.</param>
    /// <exception cref="TaktException">Invalid, with every fault: a column that is missing, or holds text where the model has numbers.</exception>
    public void Fill(Table table, Span<double> matrix)
    {
        List<string>? faults = null;
        for (var f = 0; f < _features.Count; f++)
        {
            var feature = _features[f];
            if (table.Find(feature.Name) is not { } column) (faults ??= []).Add($"input '{feature.Name}' is missing");
            else if (_codes[f] is null && column.Type == ColumnType.Text) (faults ??= []).Add($"input '{feature.Name}' must be numbers ({feature.Type}), not text");
            else Fill(column, f, matrix);
        }
        if (faults is not null) throw new TaktException(TaktError.Invalid, faults);
    }

    void Fill(Column column, int f, Span<double> matrix)
    {
        var stride = _features.Count;
        if (_codes[f] is { } codes)
        {
            for (int row = 0, at = f; row < column.Length; row++, at += stride)
                matrix[at] = (column.Type == ColumnType.Text ? column.Texts[row] : column.TextAt(row)) is { } text && codes.TryGetValue(text, out var code) ? code : double.NaN;
            return;
        }
        for (int row = 0, at = f; row < column.Length; row++, at += stride)
            matrix[at] = column.Type == ColumnType.Integer && column.Missing is null ? column.Integers[row] : column.NumberAt(row);
    }
}
