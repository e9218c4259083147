using System.Buffers;
using Takt.Data;
using Takt.ML.LightGbm;
using Takt.ML.Onnx;
using Takt.ML.XgBoost;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>Answers with our own evaluation of XGBoost's trees, on the caller's thread; models in JSON or UBJ, as MLflow logs them.</summary>
public sealed class XgBoostRuntime : IModelRuntime
{
    public const string ModelFile = "model.json";

    public string Flavor => "xgboost";

    public ILoadedModel Load(string folder)
    {
        var package = ModelPackage.Open(folder);
        var path = package.PathOf(package.ModelFile ?? ModelFile);
        if (!File.Exists(path)) throw TaktException.NotFound($"the model package {folder} has no {package.ModelFile ?? ModelFile}");
        var model = XgModel.Load(path);
        var features = package.Info.Features;
        if (features.Count == 0) features = Enumerable.Range(0, model.Features).Select(f => new Feature(model.FeatureNames.Count > 0 ? model.FeatureNames[f] : $"f{f}", FieldType.Double)).ToList();
        if (features.Count != model.Features) throw TaktException.Invalid($"{path} has {model.Features} features, the signature names {features.Count}");
        return new Model(model, features, package.Info.Output) { Params = package.Params };
    }

    public IReadOnlyDictionary<string, double> Convert(string folder, string to, string target)
    {
        if (to != "onnx") throw new TaktException(TaktError.NotSupported, $"an xgboost model can be converted to onnx, not to '{to}'");
        var package = ModelPackage.Open(folder);
        var model = XgModel.Load(package.PathOf(package.ModelFile ?? ModelFile));
        using var loaded = Load(folder);
        var features = package.Info.Features.Count > 0 ? package.Info.Features : loaded.Signature.Inputs.Select(f => new Feature(f.Name, f.Type)).ToList();
        var outputs = loaded.Signature.Outputs;
        var output = outputs.Count > 1 ? outputs[0].Name[..^2] : outputs[0].Name; // NAME.0
        var samples = new SampleRows(model.Features);
        var onnx = XgBoostTrees.ToOnnx(model, output, samples);
        var worst = OnnxConversion.Write(onnx, package.Info with { Algorithm = "onnx", Features = features, Output = outputs.Count > 1 ? "" : output }, samples, matrix =>
        {
            var scores = outputs.Select(_ => new double[OnnxConversion.Rows]).ToArray();
            float[] values = new float[model.Features], margins = new float[model.Groups];
            for (var row = 0; row < OnnxConversion.Rows; row++)
            {
                for (var f = 0; f < values.Length; f++) values[f] = (float)matrix[(row * values.Length) + f];
                model.Margins(values, margins);
                model.Transform(margins);
                for (var i = 0; i < scores.Length; i++) scores[i][row] = margins[i];
            }
            return scores;
        }, target);
        return new Dictionary<string, double> { ["rows"] = OnnxConversion.Rows, ["max_difference"] = worst };
    }

    sealed class Model : ILoadedModel
    {
        readonly XgModel _model;
        readonly FeatureMatrix _matrix;
        readonly IReadOnlyList<Feature> _features;

        public Model(XgModel model, IReadOnlyList<Feature> features, string output)
        {
            (_model, _features, _matrix) = (model, features, new FeatureMatrix(features));
            var name = output.Length > 0 ? output : model.Objective switch { "binary:logistic" or "reg:logistic" or "multi:softprob" => "probability", "multi:softmax" => "class", _ => "prediction" };
            var outputs = model.Objective == "multi:softmax" ? 1 : model.Groups;
            Signature = new Signature(features.Select(f => new Field(f.Name, f.Type)).ToList(), outputs == 1 ? [new Field(name, FieldType.Float)] : Enumerable.Range(0, outputs).Select(i => new Field($"{name}.{i}", FieldType.Float)).ToList());
            if (outputs == 1) Rows = new Scorer(model, features, Signature.Outputs[0]);
        }

        public Signature Signature { get; }

        public string Platform => "xgboost_json";

        public RowScorer? Rows { get; }

        public ModelParams? Params { get; init; }

        public Table Predict(Table inputs)
        {
            var columns = Signature.Outputs.Select(_ => new double[inputs.Rows]).ToArray();
            Each(inputs, (row, values) =>
            {
                Span<float> margins = stackalloc float[_model.Groups];
                _model.Margins(values, margins);
                _model.Transform(margins);
                for (var i = 0; i < columns.Length; i++) columns[i][row] = margins[i];
            });
            return new Table(columns.Select((values, i) => Column.Of(Signature.Outputs[i].Name, values)).ToList());
        }

        public Table? Explain(Table inputs)
        {
            if (_model.Groups > 1) return null;
            var names = _features.Select(f => f.Name).Append("bias").ToList();
            var columns = names.Select(_ => new double[inputs.Rows]).ToArray();
            var shap = new TreeShap(_model);
            Each(inputs, (row, values) =>
            {
                var contributions = new double[names.Count];
                contributions[^1] = _model.BaseMargins[0];
                foreach (var (root, _, weight) in _model.Trees) shap.Add(root, weight, values, contributions);
                for (var i = 0; i < columns.Length; i++) columns[i][row] = contributions[i];
            });
            return new Table(columns.Select((values, i) => Column.Of("contribution." + names[i], values)).ToList());
        }

        public void Dispose()
        {
            // nothing but managed memory
        }

        void Each(Table inputs, RowAction action)
        {
            var matrix = ArrayPool<double>.Shared.Rent(Math.Max(1, inputs.Rows * _matrix.Columns));
            try
            {
                _matrix.Fill(inputs, matrix);
                var values = new float[_matrix.Columns];
                for (var row = 0; row < inputs.Rows; row++)
                {
                    for (var f = 0; f < values.Length; f++) values[f] = (float)matrix[(row * values.Length) + f];
                    action(row, values);
                }
            }
            finally
            {
                ArrayPool<double>.Shared.Return(matrix);
            }
        }

        delegate void RowAction(int row, ReadOnlySpan<float> values);
    }

    sealed class Scorer(XgModel model, IReadOnlyList<Feature> features, Field output) : RowScorer(features, output)
    {
        const int MostOnStack = 512;

        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores)
        {
            Span<float> margins = stackalloc float[Math.Min(model.Groups, MostOnStack)], values = stackalloc float[Math.Min(model.Features, MostOnStack)];
            if (model.Groups > MostOnStack) margins = new float[model.Groups];
            if (model.Features > MostOnStack) values = new float[model.Features];
            for (var row = 0; row < rows; row++)
            {
                for (var f = 0; f < values.Length; f++) values[f] = (float)matrix[(row * values.Length) + f];
                model.Margins(values, margins);
                model.Transform(margins);
                scores[row] = margins[0];
            }
        }
    }
}
