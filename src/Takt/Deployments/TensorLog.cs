using System.IO.Hashing;
using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>
/// What the prediction log keeps of tensors, and monitors watch: narrow ones as columns, <c>NAME</c> or <c>NAME.0</c>, <c>NAME.1</c> …, where the first dimension counts rows;
/// of a wide one its shape (<c>NAME.shape</c>) and a digest of each row (<c>NAME.xxh128</c>), so that the same image is known again without being kept.
/// </summary>
/// <remarks>Which it is goes by the model's declaration, not by the request, so that an endpoint's columns stay the same.</remarks>
static class TensorLog
{
    /// <summary>Values a row that become columns.</summary>
    public const int Widest = 32;

    /// <summary>Rows of one request; more are logged as one row with shapes and digests.</summary>
    const int MostRows = 100_000;

    /// <summary>Asks the slot's model.</summary>
    /// <exception cref="TaktException">Invalid: it takes other tensors, or none.</exception>
    public static (Table Inputs, Table Outputs, IReadOnlyList<Tensor>? Tensors) Ask(Slot slot, IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs)
    {
        var model = Of(slot);
        model.Require(inputs, outputs);
        return Kept(slot, model, inputs, model.Run(inputs, outputs));
    }

    /// <inheritdoc cref="Ask"/>
    public static async ValueTask<(Table Inputs, Table Outputs, IReadOnlyList<Tensor>? Tensors)> Answer(Slot slot, IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs, CancellationToken cancel)
    {
        var model = Of(slot);
        model.Require(inputs, outputs);
        return Kept(slot, model, inputs, await model.Answer(inputs, outputs, cancel));
    }

    static TensorModel Of(Slot slot) => slot.Model?.Tensors ?? throw TaktException.Invalid($"'{slot.Revision.Endpoint}' takes rows, not tensors of any shape");

    static (Table Inputs, Table Outputs, IReadOnlyList<Tensor>? Tensors) Kept(Slot slot, TensorModel model, IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> given)
    {
        var rows = Rows(inputs, given);
        return (Of(slot, inputs, model.Inputs, rows, FeatureNames(slot.Model!, inputs)), Of(slot, given, model.Outputs, rows, null), given);
    }

    /// <summary>A matrix of a tabular model's features is logged under their names.</summary>
    static List<string>? FeatureNames(ILoadedModel model, IReadOnlyList<Tensor> inputs) =>
        inputs is [{ Shape: [_, var features] }] && features == model.Signature.Inputs.Count && features > 0 ? model.Signature.Inputs.Select(f => f.Name).ToList() : null;

    /// <summary>The common first dimension of all; 1: there is none.</summary>
    internal static int Rows(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> outputs)
    {
        var rows = -1L;
        foreach (var tensor in inputs.Concat(outputs))
        {
            if (tensor.Shape.Length == 0 || (rows >= 0 && tensor.Shape[0] != rows)) return 1;
            rows = tensor.Shape[0];
        }
        return rows is > 0 and <= MostRows ? (int)rows : 1;
    }

    static Table Of(Slot slot, IReadOnlyList<Tensor> tensors, IReadOnlyList<TensorField> fields, int rows, List<string>? names)
    {
        var columns = new List<Column>();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var field in fields)
        {
            if (tensors.FirstOrDefault(t => t.Name == field.Name) is not { } tensor) continue;
            var width = (int)(tensor.Count / rows);
            var named = names is not null && names.Count == width; // not when all rows are logged as one
            var narrow = named || (tensor.Shape.Length == 0 ? rows == 1 : field.Width is >= 1 and <= Widest && field.Width == width && tensor.Shape[0] == rows);
            var hidden = slot.IsRedacted(field.Name);
            if (narrow && !hidden)
            {
                for (var i = 0; i < width; i++) Add(TensorColumn.Of(named ? names![i] : (width == 1 ? field.Name : $"{field.Name}.{i}"), tensor, rows, width, i));
                continue;
            }
            Add(Column.Of(field.Name + ".shape", Enumerable.Repeat((string?)Tensor.ShapeText(tensor.Shape), rows).ToArray()));
            if (!hidden) Add(Column.Of(field.Name + ".xxh128", Digests(tensor, rows)));
        }
        return new Table(columns);

        void Add(Column column)
        {
            if (taken.Add(column.Name)) columns.Add(column); // two names may fall together: a.0 of a and an input called a.0
        }
    }

    static string?[] Digests(Tensor tensor, int rows)
    {
        var digests = new string?[rows];
        var data = tensor.Data.Span;
        if (tensor.Type == TensorType.Bytes || data.Length % rows != 0) rows = 1; // texts are of unequal length: one digest for all
        for (var row = 0; row < rows; row++) digests[row] = Convert.ToHexStringLower(XxHash128.Hash(data.Slice(data.Length / rows * row, data.Length / rows)));
        Array.Fill(digests, digests[0], rows, digests.Length - rows);
        return digests;
    }
}
