using System.Globalization;
using System.Text.Json;
using Takt.Data;
using Takt.ML.Runtimes;
using Takt.ML.XgBoost;
using Takt.Models;

namespace Takt.Tests.Models;

/// <summary>Our evaluation of XGBoost's trees against what XGBoost 1.7.4 itself answered (XgBoost/make.py) on real flights, a tenth of the values missing.</summary>
public sealed class XgBoostTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>TAKT_XGBOOST names a folder that make.py filled with more rows and trees.</summary>
    static readonly string Files = Environment.GetEnvironmentVariable("TAKT_XGBOOST") ?? Path.Combine(AppContext.BaseDirectory, "Models", "XgBoost");

    static readonly (string[] Names, double[][] Columns) Flights = Read();

    readonly string _folder = Directory.CreateTempSubdirectory("takt-xgb").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_tree_too_deep_for_the_stack_is_not_explained_and_ends_nothing()
    {
        const int Splits = 100_000;
        // a chain: the left child of each split is a leaf, the right one the next split
        int[] Each(Func<int, int> split, int leaf, int last) => [.. Enumerable.Range(0, Splits).SelectMany(i => (int[])[split(i), leaf]), last];
        string List(int[] values) => $"[{string.Join(',', values)}]";
        var path = Path.Combine(_folder, "deep.json");
        File.WriteAllText(path, $$$"""
            {"learner": {"objective": {"name": "reg:squarederror"}, "learner_model_param": {"num_feature": "1", "num_class": "0", "base_score": "0"}, "gradient_booster": {"name": "gbtree", "model": {"tree_info": [0], "trees": [{"tree_param": {},
            "left_children": {{{List(Each(i => (2 * i) + 1, -1, -1))}}}, "right_children": {{{List(Each(i => (2 * i) + 2, -1, -1))}}}, "split_indices": {{{List(Each(_ => 0, 0, 0))}}}, "default_left": {{{List(Each(_ => 0, 0, 0))}}},
            "split_conditions": {{{List(Each(i => i, 1, 1))}}}, "sum_hessian": {{{List(Each(_ => 2, 1, 1))}}} }]} } } }
            """);
        var model = XgModel.Load(path);
        var margin = new float[1];
        model.Margins([Splits], margin);
        Assert.Equal(1, margin[0]);
        Assert.Equal(TaktError.NotSupported, Assert.Throws<TaktException>(() => new TreeShap(model).Add(0, 1, [Splits], new double[2])).Error);
    }

    [Fact]
    public void Categories_that_lie_outside_of_their_list_are_damage()
    {
        var text = File.ReadAllText(Path.Combine(Files, "categories.json"));
        var at = text.IndexOf("\"categories_sizes\":[", StringComparison.Ordinal) + "\"categories_sizes\":[".Length;
        Assert.True(text[at] != ']', "the first tree has no categories");
        File.WriteAllText(Path.Combine(_folder, "damaged.json"), text[..at] + "10000" + text[at..]);
        Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => XgModel.Load(Path.Combine(_folder, "damaged.json"))).Error);
    }

    /// <summary>MLflow hands params to XGBoost's own predict: those that it knows change what comes out, all others it never sees.</summary>
    [Theory]
    [InlineData("temperature", false, "xgboost"), InlineData("temperature", true, "xgboost"), InlineData("output_margin", true, "python_function"), InlineData("iteration_range", true, "python_function"), InlineData("output_margin", false, null)]
    public void Params_that_XGBoosts_own_predict_takes_are_left_to_Python_and_refused_where_it_is_not_there(string param, bool python, string? flavor)
    {
        File.Copy(Path.Combine(Files, "squarederror.json"), Path.Combine(_folder, "model.json"));
        File.WriteAllText(Path.Combine(_folder, "MLmodel"), $$"""
            flavors:
              xgboost: { data: model.json, model_format: json }
            {{(python ? "  python_function: { loader_module: mlflow.xgboost, data: model.json }" : "")}}
            signature:
              inputs: '[{"type": "double", "name": "x"}]'
              outputs: '[{"type": "double", "name": "y"}]'
              params: '[{"name": "{{param}}", "type": "boolean", "default": false, "shape": null}]'
            """);
        if (flavor is null)
        {
            var refused = Assert.Throws<TaktException>(() => ModelPackage.Open(_folder));
            Assert.Equal(TaktError.NotSupported, refused.Error);
            Assert.Contains($"'{param}' changes what XGBoost itself gives", refused.Message);
            return;
        }
        var package = ModelPackage.Open(_folder);
        Assert.Equal((flavor, param), (package.Flavor, package.Params!.All.Single().Name));
    }

    [Theory]
    [InlineData("squarederror.json"), InlineData("logistic.json"), InlineData("hinge.json"), InlineData("logitraw.json"), InlineData("softprob.json"), InlineData("softmax.json"), InlineData("poisson.json"), InlineData("gamma.json"),
     InlineData("tweedie.json"), InlineData("categories.json"), InlineData("categories.ubj"), InlineData("dart.json")]
    public void Predictions_are_those_of_XGBoost_bit_for_bit(string file)
    {
        using var model = Load(file);
        var expected = Expected(file, "predict");
        var answers = model.Predict(Rows());
        var width = answers.Columns.Count;
        var (different, worst) = (0, 0.0);
        for (var i = 0; i < expected.Length; i++)
        {
            var actual = (float)answers.Columns[i % width].Numbers[i / width];
            if (BitConverter.SingleToUInt32Bits(actual) != BitConverter.SingleToUInt32Bits(expected[i])) different++;
            worst = Math.Max(worst, Math.Abs(actual - (double)expected[i]));
        }
        output.WriteLine($"{file}: {expected.Length} values, {different} differ, at most by {worst}");
        Assert.Equal(expected.Length, answers.Rows * width);
        Assert.Equal(0, different);
        if (model.Rows is not { } rows) return;
        var scores = new double[answers.Rows];
        rows.Score(Enumerable.Range(0, answers.Rows).SelectMany(r => Flights.Columns.Select(c => c[r])).ToArray(), answers.Rows, scores);
        Assert.Equal(answers.Columns[0].Numbers, scores);
    }

    [Theory]
    [InlineData("squarederror.json"), InlineData("logistic.json"), InlineData("gamma.json"), InlineData("categories.json")]
    public void Contributions_are_those_of_XGBoosts_own_TreeSHAP(string file)
    {
        using var model = Load(file);
        var expected = Expected(file, "contributions");
        var answers = model.Explain(Rows())!;
        Assert.Equal([.. Flights.Names.Select(n => "contribution." + n), "contribution.bias"], answers.Columns.Select(c => c.Name));
        var (width, worst) = (answers.Columns.Count, 0.0);
        for (var i = 0; i < expected.Length; i++) worst = Math.Max(worst, Math.Abs(answers.Columns[i % width].Numbers[i / width] - expected[i]) / (1 + Math.Abs(expected[i])));
        output.WriteLine($"{file}: {expected.Length} contributions, at most {worst} apart"); // XGBoost adds them up in float32
        Assert.True(worst < 2e-4, $"{worst}");
    }

    [Fact]
    public void A_multiclass_model_gives_a_probability_a_class_and_a_single_one_has_the_short_way()
    {
        using var three = Load("softprob.json");
        Assert.Equal(["probability.0", "probability.1", "probability.2"], three.Signature.Outputs.Select(f => f.Name));
        Assert.Null(three.Rows);
        Assert.Null(three.Explain(Rows()));
        using var one = Load("logistic.json", "signature:\n  inputs: '[{\"type\": \"float\", \"name\": \"a\"}, {\"type\": \"long\", \"name\": \"b\"}, {\"type\": \"double\", \"name\": \"c\"}, {\"type\": \"double\", \"name\": \"d\"}, {\"type\": \"double\", \"name\": \"e\"}]'\n");
        Assert.Equal(["a", "b", "c", "d", "e"], one.Signature.Inputs.Select(f => f.Name)); // the signature has its say
        Assert.Equal(new Field("probability", FieldType.Float), one.Rows!.Output);
        Assert.Equal("xgboost_json", one.Platform);
    }

    [Fact]
    public void What_cant_be_run_is_refused_in_words()
    {
        var text = File.ReadAllText(Path.Combine(Files, "logistic.json"));
        Refused("no objective of ours", text.Replace("binary:logistic", "binary:mystery", StringComparison.Ordinal), TaktError.NotSupported, "the objective binary:mystery");
        Refused("linear", text.Replace("\"gbtree\"", "\"gblinear\"", StringComparison.Ordinal), TaktError.NotSupported, "the booster gblinear");
        Refused("cut", text[..(text.Length / 2)], TaktError.Invalid, "is damaged");
        Refused("binary", "binf" + text, TaktError.NotSupported, "old binary format");
        Refused("a loop", System.Text.RegularExpressions.Regex.Replace(text, "\"left_children\":\\[\\d+", "\"left_children\":[0"), TaktError.Invalid, "comes twice");
        var ubj = File.ReadAllBytes(Path.Combine(Files, "categories.ubj"));
        for (var length = 2; length < ubj.Length; length += 37)
        {
            File.WriteAllBytes(Path.Combine(_folder, "cut.ubj"), ubj[..length]);
            Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => XgModel.Load(Path.Combine(_folder, "cut.ubj"))).Error);
        }
    }

    void Refused(string name, string model, TaktError error, string words)
    {
        var path = Path.Combine(_folder, name + ".json");
        File.WriteAllText(path, model);
        var e = Assert.Throws<TaktException>(() => XgModel.Load(path));
        Assert.Equal(error, e.Error);
        Assert.Contains(words, e.Message);
    }

    /// <summary>As MLflow logs it.</summary>
    ILoadedModel Load(string file, string signature = "")
    {
        var package = Directory.CreateDirectory(Path.Combine(_folder, Path.GetRandomFileName())).FullName;
        File.Copy(Path.Combine(Files, file), Path.Combine(package, "model.xgb"));
        File.WriteAllText(Path.Combine(package, "MLmodel"), $"flavors:\n  python_function:\n    data: model.xgb\n    loader_module: mlflow.xgboost\n  xgboost:\n    code: null\n    data: model.xgb\n    model_class: xgboost.core.Booster\n    model_format: xgb\n    xgb_version: 1.7.4\n{signature}");
        return new XgBoostRuntime().Load(package);
    }

    static Table Rows() => new(Flights.Names.Select((name, i) => Column.Of(name, Flights.Columns[i])).ToList());

    static float[] Expected(string file, string what)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Files, "expected.json")));
        return json.RootElement.GetProperty(file.Split('.')[0]).GetProperty(what).EnumerateArray().Select(v => v.GetSingle()).ToArray();
    }

    static (string[], double[][]) Read()
    {
        var lines = File.ReadAllLines(Path.Combine(Files, "rows.csv"));
        var names = lines[0].Split(',');
        var rows = lines[1..].Select(l => l.Split(',').Select(v => v.Length == 0 ? double.NaN : double.Parse(v, CultureInfo.InvariantCulture)).ToArray()).ToList();
        return (names, Enumerable.Range(0, names.Length).Select(c => rows.Select(r => r[c]).ToArray()).ToArray());
    }
}
