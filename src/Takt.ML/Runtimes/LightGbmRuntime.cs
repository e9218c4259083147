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
        if (booster.Features == package.Info.Features.Count) return new Model(booster, package.Info, package.Params);
        booster.Dispose();
        throw TaktException.Invalid($"{path} has {booster.Features} features, {ModelPackage.InfoFile} names {package.Info.Features.Count}: the package is damaged");
    }

    public IReadOnlyDictionary<string, double> Convert(string folder, string to, string target)
    {
        if (to != "onnx") throw new TaktException(TaktError.NotSupported, $"a lightgbm model can be converted to onnx, not to '{to}'");
        var package = ModelPackage.Open(folder);
        var text = File.ReadAllText(package.PathOf(package.ModelFile ?? LightGbmTrainer.ModelFile));
        using var booster = Booster.Load(text);
        var columns = package.Info.Features.Count;
        if (booster.Features != columns) throw TaktException.Invalid($"{folder} is damaged: {booster.Features} features, {columns} names");
        var samples = new SampleRows(columns);
        var onnx = LightGbmTrees.ToOnnx(text, package.Info.Output, samples);
        var worst = OnnxConversion.Write(onnx, package.Info with { Algorithm = "onnx" }, samples, matrix =>
        {
            var scores = new double[OnnxConversion.Rows];
            booster.PredictNative(matrix, OnnxConversion.Rows, columns, scores);
            return [scores];
        }, target);
        return new Dictionary<string, double> { ["rows"] = OnnxConversion.Rows, ["max_difference"] = worst };
    }

    sealed class Scorer(Booster booster, PackageInfo info) : RowScorer(info.Features, info.Signature.Outputs[0])
    {
        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores) => booster.Predict(matrix, rows, Features.Count, scores);
    }

    sealed class Model(Booster booster, PackageInfo info, ModelParams? parameters) : ILoadedModel
    {
        readonly FeatureMatrix _matrix = new(info.Features);

        public Signature Signature { get; } = info.Signature;

        public RowScorer Rows { get; } = new Scorer(booster, info);

        public ModelParams? Params => parameters;

        public Table Predict(Table inputs)
        {
            var buffer = ArrayPool<double>.Shared.Rent(Math.Max(1, inputs.Rows * _matrix.Columns));
            try
            {
                _matrix.Fill(inputs, buffer);
                var score = new double[inputs.Rows];
                if (score.Length > 0) booster.Predict(buffer.AsSpan(0, inputs.Rows * _matrix.Columns), inputs.Rows, _matrix.Columns, score);
                return new Table([Column.Of(info.Output, score)]);
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
            var flat = new double[rows * (columns + 1)];
            if (rows > 0) booster.Contributions(matrix, rows, columns, flat);
            var names = info.Features.Select(f => f.Name).Append("bias").ToList();
            return new Table(names.Select((name, column) =>
            {
                var values = new double[rows];
                for (int row = 0, at = column; row < rows; row++, at += columns + 1) values[row] = flat[at];
                return Column.Of("contribution." + name, values);
            }).ToList());
        }

        public void Dispose() => booster.Dispose();
    }
}
