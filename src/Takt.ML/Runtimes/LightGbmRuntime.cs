using System.Buffers;
using Takt.Data;
using Takt.Models;
using Takt.ML.LightGbm;
using Takt.ML.Onnx;
using Takt.ML.Trainers;

namespace Takt.ML.Runtimes;

/// <summary>Answers with LightGBM's own library, on the caller's thread.</summary>
public sealed class LightGbmRuntime : IModelRuntime
{
    public string Flavor => "lightgbm";

    public ILoadedModel Load(string folder)
    {
        var package = ModelPackage.Open(folder);
        var path = package.PathOf(package.ModelFile ?? LightGbmTrainer.ModelFile);
        if (!File.Exists(path)) throw TaktException.NotFound($"the model package {folder} has no {LightGbmTrainer.ModelFile}");
        var booster = Booster.Load(File.ReadAllText(path));
        var (features, outputs) = (booster.Features, booster.Outputs);
        if (features == package.Info.Features.Count && outputs == (package.Info.Classes?.Count ?? 1)) return new Model(booster, package.Info, package.Params);
        booster.Dispose();
        throw TaktException.Invalid($"{path} has {features} features and {outputs} outputs, {ModelPackage.InfoFile} names {package.Info.Features.Count} and {package.Info.Classes?.Count ?? 1}: the package is damaged");
    }

    public IReadOnlyDictionary<string, double> Convert(string folder, string to, string target)
    {
        if (to != "onnx") throw new TaktException(TaktError.NotSupported, $"a lightgbm model can be converted to onnx, not to '{to}'");
        var package = ModelPackage.Open(folder);
        var text = File.ReadAllText(package.PathOf(package.ModelFile ?? LightGbmTrainer.ModelFile));
        using var booster = Booster.Load(text);
        var columns = package.Info.Features.Count;
        if (booster.Features != columns) throw TaktException.Invalid($"{folder} is damaged: {booster.Features} features, {columns} names");
        var outputs = booster.Outputs;
        if (outputs != (package.Info.Classes?.Count ?? 1)) throw TaktException.Invalid($"{folder} is damaged: {outputs} outputs, {package.Info.Classes?.Count ?? 1} names");
        var samples = new SampleRows(columns);
        var onnx = LightGbmTrees.ToOnnx(text, package.Info.Output, samples, package.Info.Classes);
        var worst = OnnxConversion.Write(onnx, package.Info with { Algorithm = "onnx" }, samples, matrix =>
        {
            var scores = new double[OnnxConversion.Rows * outputs];
            booster.PredictNative(matrix, OnnxConversion.Rows, columns, scores);
            return Columns(scores, outputs);
        }, target);
        return new Dictionary<string, double> { ["rows"] = OnnxConversion.Rows, ["max_difference"] = worst };
    }

    /// <summary>Of rows of so many numbers each, the columns.</summary>
    static double[][] Columns(double[] rows, int outputs)
    {
        if (outputs == 1) return [rows];
        var columns = Enumerable.Range(0, outputs).Select(_ => new double[rows.Length / outputs]).ToArray();
        for (var at = 0; at < rows.Length; at++) columns[at % outputs][at / outputs] = rows[at];
        return columns;
    }

    sealed class Scorer(Booster booster, PackageInfo info) : RowScorer(info.Features, info.Signature.Outputs[0])
    {
        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores) => booster.Predict(matrix, rows, Features.Count, scores);
    }

    sealed class Model(Booster booster, PackageInfo info, ModelParams? parameters) : ILoadedModel
    {
        readonly FeatureMatrix _matrix = new(info.Features);

        public Signature Signature { get; } = info.Signature;

        public RowScorer? Rows { get; } = info.Classes is null ? new Scorer(booster, info) : null;

        public ModelParams? Params => parameters;

        public Table Predict(Table inputs)
        {
            var buffer = ArrayPool<double>.Shared.Rent(Math.Max(1, inputs.Rows * _matrix.Columns));
            try
            {
                _matrix.Fill(inputs, buffer);
                var score = new double[checked(inputs.Rows * (info.Classes?.Count ?? 1))];
                if (score.Length > 0) booster.Predict(buffer.AsSpan(0, inputs.Rows * _matrix.Columns), inputs.Rows, _matrix.Columns, score);
                if (info.Classes is not { } classes) return new Table([Column.Of(info.Output, score)]);
                var columns = Columns(score, classes.Count);
                return new Table([Column.Of(info.Output, LightGbmTrainer.Likeliest(score, classes)), .. classes.Select((c, i) => Column.Of(PackageInfo.ProbabilityOf(c), columns[i]))]);
            }
            finally
            {
                ArrayPool<double>.Shared.Return(buffer);
            }
        }

        public Table Explain(Table inputs)
        {
            var (rows, columns) = (inputs.Rows, _matrix.Columns);
            var matrix = new double[rows * columns];
            _matrix.Fill(inputs, matrix);
            var outputs = info.Classes?.Count ?? 1;
            var flat = new double[checked(rows * outputs * (columns + 1))];
            if (rows > 0) booster.Contributions(matrix, rows, columns, flat);
            if (outputs > 1) flat = OfLikeliest(flat, matrix, rows, outputs);
            var names = info.Features.Select(f => f.Name).Append("bias").ToList();
            return new Table(names.Select((name, column) =>
            {
                var values = new double[rows];
                for (int row = 0, at = column; row < rows; row++, at += columns + 1) values[row] = flat[at];
                return Column.Of("contribution." + name, values);
            }).ToList());
        }

        /// <summary>Of each row the contributions to the class that the model says.</summary>
        double[] OfLikeliest(double[] all, double[] matrix, int rows, int classes)
        {
            var score = new double[rows * classes];
            if (rows > 0) booster.Predict(matrix, rows, _matrix.Columns, score);
            var width = _matrix.Columns + 1;
            var chosen = new double[rows * width];
            for (var row = 0; row < rows; row++)
            {
                var most = LightGbmTrainer.Largest(score.AsSpan(row * classes, classes));
                all.AsSpan(((row * classes) + most) * width, width).CopyTo(chosen.AsSpan(row * width));
            }
            return chosen;
        }

        public void Dispose() => booster.Dispose();
    }
}
