using Takt.Data;
using Takt.ML.Runtimes;
using Takt.Models;
using Takt.Storage;

namespace Takt.ML.Onnx;

/// <summary>Writes a converted model as a package once it has answered like the one that it was made of.</summary>
static class OnnxConversion
{
    /// <summary>Rows that both must answer alike.</summary>
    public const int Rows = 2000;

    /// <summary>How far apart answers may be, of 1 + their size: both add floats, in another order. A row that took another way is further apart in any tree that matters.</summary>
    public const double Tolerance = 1e-5;

    /// <param name="samples">The thresholds and categories that the model has.</param>
    /// <param name="own">The model that it was made of.</param>
    /// <returns>The largest difference that was seen.</returns>
    /// <exception cref="TaktException">Invalid: the two don't answer alike; nothing is written then.</exception>
    public static double Write(byte[] onnx, PackageInfo info, SampleRows samples, Func<double[], double[][]> own, string target)
    {
        var path = Package(onnx, info, target);
        var matrix = samples.Make(Rows);
        var expected = own(matrix);
        using var session = OnnxSession.Open(path);
        var columns = info.Features.Count;
        // numbers: one tensor of all columns, or one of each; which class a model says follows from them
        var given = session.Run([new Tensor("X", TensorType.Fp32, [Rows, columns], Columns.Bytes("X", TensorType.Fp32, matrix))], []).Where(t => t.Type != TensorType.Bytes).ToList();
        var width = expected.Length / given.Count;
        if (given.Find(t => t.Count != (long)Rows * width) is { } odd) throw TaktException.Invalid($"the converted model gives {Tensor.ShapeText(odd.Shape)} for {Rows} rows; it is not kept");
        var (worst, at) = (0.0, 0);
        for (var i = 0; i < expected.Length; i++)
            Compare(expected[i], TensorColumn.Of("", given[i / width], Rows, width, i % width).Numbers, ref worst, ref at);
        return Kept(worst, at, info);
    }

    /// <inheritdoc cref="Write(byte[], PackageInfo, SampleRows, Func{double[], double[][]}, string)"/>
    /// <param name="rows">Of the model's inputs.</param>
    public static double Write(byte[] onnx, PackageInfo info, Table rows, ILoadedModel own, string target)
    {
        _ = Package(onnx, info, target);
        using var converted = new OnnxRuntime().Load(target);
        string Told(IReadOnlyList<Field> fields) => string.Join(", ", fields.Select(f => $"{f.Name} ({f.Type.ToString().ToLowerInvariant()})"));
        foreach (var (side, before, after) in (ReadOnlySpan<(string, string, string)>)[("takes", Told(own.Signature.Inputs), Told(converted.Signature.Inputs)), ("gives", Told(own.Signature.Outputs), Told(converted.Signature.Outputs))])
            if (before != after) throw TaktException.Invalid($"the converted model {side} {(after.Length == 0 ? "tensors only" : after)}, the one that it was made of {before}; it is not kept");
        var (expected, given) = (own.Predict(rows), converted.Predict(rows));
        var (worst, at) = (0.0, 0);
        foreach (var column in expected.Columns)
        {
            var other = given[column.Name];
            if (column.Type == ColumnType.Number) Compare(column.Numbers, other.Numbers, ref worst, ref at);
            else
                for (var row = 0; row < rows.Rows; row++)
                    if (column.TextAt(row) != other.TextAt(row)) (worst, at) = (double.PositiveInfinity, row);
        }
        return Kept(worst, at, info);
    }

    static string Package(byte[] onnx, PackageInfo info, string target)
    {
        var path = Path.Combine(target, OnnxRuntime.ModelFile);
        Files.WriteAtomically(path, onnx);
        ModelPackage.Write(target, info, $"    code: null\n    data: {OnnxRuntime.ModelFile}\n    onnx_version: 1.12.0\n    providers:\n    - CPUExecutionProvider\n", "mlflow.onnx", OnnxRuntime.ModelFile);
        return path;
    }

    static void Compare(ReadOnlySpan<double> expected, ReadOnlySpan<double> given, ref double worst, ref int at)
    {
        for (var row = 0; row < expected.Length; row++)
        {
            var difference = Math.Abs(given[row] - expected[row]) / (1 + Math.Abs(expected[row]));
            if (double.IsNaN(difference)) difference = given[row].Equals(expected[row]) ? 0 : double.PositiveInfinity; // both NaN, or the same infinity
            if (difference > worst) (worst, at) = (difference, row);
        }
    }

    static double Kept(double worst, int at, PackageInfo info) => worst <= Tolerance ? worst
        : throw TaktException.Invalid($"the converted model does not answer like the {info.Task} model that it was made of: row {at + 1} of {Rows} made from its thresholds is {worst:g3} apart, {Tolerance:g1} is allowed; it is not kept");
}
