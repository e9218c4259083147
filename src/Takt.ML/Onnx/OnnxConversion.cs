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
        var path = Path.Combine(target, OnnxRuntime.ModelFile);
        Files.WriteAtomically(path, onnx);
        ModelPackage.Write(target, info, $"    code: null\n    data: {OnnxRuntime.ModelFile}\n    onnx_version: 1.12.0\n    providers:\n    - CPUExecutionProvider\n", "mlflow.onnx", OnnxRuntime.ModelFile);
        var matrix = samples.Make(Rows);
        var expected = own(matrix);
        using var session = OnnxSession.Open(path);
        var columns = info.Features.Count;
        var given = session.Run([new Tensor("X", TensorType.Fp32, [Rows, columns], Columns.Bytes("X", TensorType.Fp32, matrix))], [])[0];
        var width = expected.Length;
        if (given.Count != (long)Rows * width) throw TaktException.Invalid($"the converted model gives {Tensor.ShapeText(given.Shape)} for {Rows} rows; it is not kept");
        var (worst, at) = (0.0, 0);
        for (var i = 0; i < width; i++)
        {
            var column = TensorColumn.Of("", given, Rows, width, i);
            for (var row = 0; row < Rows; row++)
            {
                var difference = Math.Abs(column.Numbers[row] - expected[i][row]) / (1 + Math.Abs(expected[i][row]));
                if (double.IsNaN(difference)) difference = double.IsNaN(column.Numbers[row]) && double.IsNaN(expected[i][row]) ? 0 : column.Numbers[row].Equals(expected[i][row]) ? 0 : double.PositiveInfinity;
                if (difference > worst) (worst, at) = (difference, row);
            }
        }
        if (worst <= Tolerance) return worst;
        throw TaktException.Invalid($"the converted model does not answer like the {info.Task} model that it was made of: row {at + 1} of {Rows} made from its thresholds is {worst:g3} apart, {Tolerance:g1} is allowed; it is not kept");
    }
}
