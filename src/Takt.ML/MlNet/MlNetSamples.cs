using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;
using Takt.ML.Onnx;
using Takt.Models;

namespace Takt.ML.MlNet;

/// <summary>
/// Rows that try both sides of a pipeline's splits: what its inputs must be for the vector that the trees read to be at their thresholds. The way there is found by asking: a number reaches a place of the vector
/// as it is or by a line (normalized), and a category that the pipeline knows is among the keys of some step.
/// </summary>
static class MlNetSamples
{
    /// <summary>Values of an input that show whether a line leads on from it.</summary>
    static readonly double[] Probes = [0, 1, 2, 1000];

    /// <exception cref="TaktException">NotSupported: a split can't be tried, for it is not seen what leads to it.</exception>
    public static Table Make(MlNetModel model, MlNetTrees trees, int rows)
    {
        var fields = model.Signature.Inputs;
        if (fields.FirstOrDefault(f => f.Type == FieldType.Datetime) is { } time) throw MlNetTrees.Not($"that takes a time ('{time.Name}')");
        var (texts, samples) = (fields.Select(_ => new List<string>()).ToArray(), new SampleRows(fields.Count));
        var known = Keys(model, texts, samples);
        for (var i = 0; i < fields.Count; i++)
        {
            if (fields[i].Type == FieldType.String && texts[i].Count == 0) throw MlNetTrees.Not($"whose step after the text '{fields[i].Name}' keeps no list of its values (hashes, n-grams)");
            for (var t = 0; t < texts[i].Count; t++) samples.Category(i, t);
            if (fields[i].Type == FieldType.Boolean) samples.Category(i, 1);
        }
        var splits = trees.Splits.ToLookup(s => s.Slot, s => s.Threshold);
        var slots = splits.Select(s => s.Key).ToArray();
        var numbers = Enumerable.Range(0, fields.Count).Where(i => fields[i].Type is not (FieldType.String or FieldType.Boolean)).ToArray();
        var features = model.Vectors(trees.Features, Table(fields, texts, numbers.Length * Probes.Length, (row, field) => numbers[row / Probes.Length] == field ? Probes[row % Probes.Length] : 0), slots);
        for (var n = 0; n < numbers.Length; n++)
            for (var s = 0; s < slots.Length; s++)
            {
                float At(int probe) => features[(n * Probes.Length) + probe][s];
                var step = (At(3) - (double)At(0)) / (Probes[3] - Probes[0]);
                var isLine = Enumerable.Range(1, 2).All(p => Math.Abs(At(p) - At(0) - (step * Probes[p])) <= 1e-4 * Math.Max(Math.Abs(step), Math.Abs(At(0)) * 1e-2));
                if (!isLine && !known.Contains(numbers[n])) throw MlNetTrees.Not($"in which no line leads from '{fields[numbers[n]].Name}' to the trees (binning, logarithms, kernels)");
                if (isLine && step != 0)
                    foreach (var threshold in splits[slots[s]]) samples.Number(numbers[n], (float)((threshold - At(0)) / step));
            }
        var matrix = samples.Make(rows);
        return Table(fields, texts, rows, (row, field) => matrix[(row * fields.Count) + field]);
    }

    /// <summary>The keys of all steps, for the inputs that they were made of.</summary>
    /// <returns>Inputs of which some are known.</returns>
    static HashSet<int> Keys(MlNetModel model, List<string>[] texts, SampleRows samples)
    {
        var known = new HashSet<int>();
        foreach (var column in model.Inner)
        {
            if (column.Annotations.Schema.GetColumnOrNull("KeyValues") is not { Type: VectorDataViewType { ItemType: var type } }) continue;
            foreach (var input in model.InputsOf(column))
            {
                var field = model.Signature.Inputs[input].Type;
                if (field == FieldType.String && type is TextDataViewType) texts[input].AddRange(Texts(column));
                else if (field is not (FieldType.String or FieldType.Boolean) && Numbers(column, type) is { } numbers)
                    foreach (var number in numbers) samples.Number(input, number);
                else continue;
                known.Add(input);
            }
        }
        return known;
    }

    static IEnumerable<string> Texts(DataViewSchema.Column column) => Values<ReadOnlyMemory<char>>(column).Select(v => v.ToString());

    /// <summary>Null: they are none. One-hot encoding keeps whole numbers as texts.</summary>
    static IEnumerable<float>? Numbers(DataViewSchema.Column column, DataViewType type) => type is TextDataViewType ? Texts(column).Select(t => float.TryParse(t, CultureInfo.InvariantCulture, out var number) ? number : 0)
        : type == NumberDataViewType.Single ? Values<float>(column) : type == NumberDataViewType.Double ? Values<double>(column).Select(v => (float)v)
        : type == NumberDataViewType.Int32 ? Values<int>(column).Select(v => (float)v) : type == NumberDataViewType.Int64 ? Values<long>(column).Select(v => (float)v) : null;

    static IEnumerable<T> Values<T>(DataViewSchema.Column column)
    {
        VBuffer<T> values = default;
        column.GetKeyValues(ref values);
        return values.DenseValues();
    }

    /// <param name="value">Of a row and a field; NaN: missing; the number of a text.</param>
    static Table Table(IReadOnlyList<Field> fields, List<string>[] texts, int rows, Func<int, int, double> value) => new(fields.Select((field, f) =>
    {
        var values = Enumerable.Range(0, rows).Select(row => value(row, f)).ToArray();
        return field.Type switch
        {
            FieldType.String => Column.Of(field.Name, values.Select(v => double.IsNaN(v) ? null : (int)v < texts[f].Count ? texts[f][(int)v] : $"unseen {v}").ToArray()),
            FieldType.Boolean => Column.Of(field.Name, values.Select(v => v >= 1).ToArray()),
            FieldType.Integer or FieldType.Long => Column.Of(field.Name, values.Select(v => double.IsNaN(v) ? 0L : (long)Math.Clamp(Math.Round(v), int.MinValue, int.MaxValue)).ToArray()),
            _ => Column.Of(field.Name, values),
        };
    }).ToList());
}
