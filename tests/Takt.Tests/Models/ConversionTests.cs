using Takt.Data;
using Takt.ML.Runtimes;
using Takt.ML.Trainers;
using Takt.Models;

namespace Takt.Tests.Models;

/// <summary>Trees written as ONNX answer as the library that they come from; what has no such form is refused in words.</summary>
public sealed class ConversionTests(ITestOutputHelper output) : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-convert").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("binary"), InlineData("regression"), InlineData("multiclass")]
    public void A_LightGBM_model_with_categories_and_missing_values_becomes_ONNX(string task)
    {
        var table = Table(3000);
        var package = Folder();
        if (task == "multiclass") table = new Table([.. table.Columns.Where(c => c.Name != "y"), Column.Of("y", Enumerable.Range(0, table.Rows).Select(i => table["y"].NumberAt(i) > 0 ? "yes" : table["b"].NumberAt(i) > 5 ? "it's no" : "no").ToArray())]);
        new LightGbmTrainer().Train(new TrainingRequest(task, "y", null, [], new Dictionary<string, double> { ["trees"] = 60 }, 1), table, package, TextWriter.Null, default);
        var converted = Folder();
        var found = new LightGbmRuntime().Convert(package, "onnx", converted);
        output.WriteLine($"{task}: {found["rows"]} rows, at most {found["max_difference"]} apart");
        Assert.InRange(found["max_difference"], 0, 1e-5);
        using var before = new LightGbmRuntime().Load(package);
        using var after = new OnnxRuntime().Load(converted);
        Assert.Equal(before.Signature.Inputs, after.Signature.Inputs);
        Assert.Equal(before.Signature.Outputs.Select(f => f.Name), after.Signature.Outputs.Select(f => f.Name));
        Alike(before, after, table);
        var info = ModelPackage.Open(converted).Info; // what monitors and evaluations need came along
        Assert.Equal((task, "y", 3000L), (info.Task, info.Target, info.Profile.Rows));
    }

    [Theory]
    [InlineData("squarederror"), InlineData("logistic"), InlineData("hinge"), InlineData("softprob"), InlineData("softmax"), InlineData("poisson"), InlineData("gamma"), InlineData("categories"), InlineData("dart")]
    public void An_XGBoost_model_becomes_ONNX(string name)
    {
        var package = XgBoost(name);
        var converted = Folder();
        var found = new XgBoostRuntime().Convert(package, "onnx", converted);
        output.WriteLine($"{name}: at most {found["max_difference"]} apart");
        using var before = new XgBoostRuntime().Load(package);
        using var after = new OnnxRuntime().Load(converted);
        Assert.Equal(before.Signature.Outputs.Select(f => f.Name), after.Signature.Outputs.Select(f => f.Name));
        var random = new Random(2);
        Alike(before, after, new Table(before.Signature.Inputs.Select((f, i) => Column.Of(f.Name, Enumerable.Range(0, 500).Select(_ => random.Next(8) == 0 ? double.NaN : i < 3 ? random.NextDouble() * 30 : random.Next(80)).ToArray())).ToList()));
    }

    [Fact]
    public void A_threshold_that_is_no_float_is_rounded_down()
    {
        // 0.1 is not a float: the nearest, 0.100000001490116, is above it, and LightGBM sends it right
        var text = Constant("numeric", "0.10000000000000001", "10");
        var package = LightGbm(text);
        var converted = Folder();
        new LightGbmRuntime().Convert(package, "onnx", converted);
        using var before = new LightGbmRuntime().Load(package);
        using var after = new OnnxRuntime().Load(converted);
        var rows = new Table([Column.Of("x", [0.1f, MathF.BitDecrement(0.1f), double.NaN, 0, -5])]);
        Assert.Equal([2, 1, 1, 1, 1], before.Predict(rows).Columns[0].Numbers);
        Alike(before, after, rows);
    }

    [Theory]
    [InlineData("zero_as_missing"), InlineData("boosting=rf"), InlineData("linear_tree"), InlineData("with sqrt"), InlineData("trees an iteration")]
    public void What_has_no_such_form_is_refused_in_words(string words)
    {
        var text = words switch
        {
            "zero_as_missing" => Constant("numeric", "0.5", "6"),
            "boosting=rf" => Constant("numeric", "0.5", "10").Replace("\nfeature_names", "\naverage_output\nfeature_names", StringComparison.Ordinal).Replace("average_output\n", "average_output=\n", StringComparison.Ordinal),
            "linear_tree" => Constant("numeric", "0.5", "10").Replace("is_linear=0", "is_linear=1", StringComparison.Ordinal),
            "with sqrt" => Constant("numeric", "0.5", "10").Replace("objective=regression", "objective=regression sqrt", StringComparison.Ordinal),
            _ => Constant("numeric", "0.5", "10").Replace("num_tree_per_iteration=1", "num_tree_per_iteration=3", StringComparison.Ordinal),
        };
        var e = Assert.Throws<TaktException>(() => Takt.ML.Onnx.LightGbmTrees.ToOnnx(text, "y", new(1)));
        Assert.Equal(TaktError.NotSupported, e.Error);
        Assert.Contains(words, e.Message);
    }

    [Theory]
    [InlineData("lightgbm"), InlineData("xgboost")]
    public void What_a_request_may_say_beside_its_rows_stays_with_a_converted_model(string flavor)
    {
        const string Params = "  params: '[{\"name\": \"it''s\", \"type\": \"double\", \"default\": 2.0, \"shape\": null}]'\n";
        var package = flavor == "lightgbm" ? LightGbm(Constant("numeric", "0.5", "10")) : XgBoost("squarederror");
        File.AppendAllText(Path.Combine(package, "MLmodel"), "signature:\n" + Params);
        var converted = Folder();
        _ = ((IModelRuntime)(flavor == "lightgbm" ? new LightGbmRuntime() : new XgBoostRuntime())).Convert(package, "onnx", converted);
        Assert.EndsWith(Params, File.ReadAllText(Path.Combine(converted, "MLmodel")), StringComparison.Ordinal); // for MLflow's clients
        using var model = new OnnxRuntime().Load(converted);
        Assert.Equal("""{"it\u0027s":2.0}""", model.Params!.Enforce(null));
        Assert.Contains("Invalid parameters", Assert.Throws<TaktException>(() => model.Params.Enforce(System.Text.Json.JsonElement.Parse("""{"it's":"hot"}"""))).Message);
    }

    [Fact]
    public void A_conversion_that_answers_otherwise_is_not_kept()
    {
        var samples = new Takt.ML.Onnx.SampleRows(1);
        var onnx = Takt.ML.Onnx.LightGbmTrees.ToOnnx(Constant("numeric", "0.5", "10"), "y", samples);
        var info = ModelPackage.Open(LightGbm(Constant("numeric", "0.5", "10"))).Info with { Algorithm = "onnx", Output = "y" };
        var e = Assert.Throws<TaktException>(() => Takt.ML.Onnx.OnnxConversion.Write(onnx, info, samples, m => [Enumerable.Range(0, Takt.ML.Onnx.OnnxConversion.Rows).Select(row => m[row] < 0.5 ? 1.0 : 2).ToArray()], Folder()));
        Assert.Contains("does not answer like", e.Message); // 0.5 itself, and what is missing, go left in the model
        Assert.Throws<TaktException>(() => ((IModelRuntime)new OnnxRuntime()).Convert(Folder(), "xgboost", Folder()));
        Assert.Equal(TaktError.NotSupported, Assert.Throws<TaktException>(() => new LightGbmRuntime().Convert(LightGbm(Constant("numeric", "0.5", "10")), "pickle", Folder())).Error);
    }

    void Alike(ILoadedModel before, ILoadedModel after, Table rows)
    {
        var (expected, actual) = (before.Predict(rows), after.Predict(rows));
        var worst = 0.0;
        for (var c = 0; c < expected.Columns.Count; c++)
            if (expected.Columns[c].Type == ColumnType.Text) Assert.Equal(expected.Columns[c].Texts, actual.Columns[c].Texts);
            else
                for (var row = 0; row < rows.Rows; row++) worst = Math.Max(worst, Math.Abs(expected.Columns[c].Numbers[row] - actual.Columns[c].Numbers[row]) / (1 + Math.Abs(expected.Columns[c].Numbers[row])));
        output.WriteLine($"{rows.Rows} further rows: at most {worst} apart");
        Assert.True(worst <= 1e-5, $"{worst}");
    }

    /// <summary>Numbers that are floats, so that both compare the same; categories; missing values of both.</summary>
    static Table Table(int rows)
    {
        var random = new Random(5);
        var a = Enumerable.Range(0, rows).Select(_ => random.Next(9) == 0 ? double.NaN : (float)random.NextDouble()).ToArray();
        var b = Enumerable.Range(0, rows).Select(_ => (double)random.Next(-20, 20)).ToArray();
        var c = Enumerable.Range(0, rows).Select(_ => random.Next(15) == 0 ? null : "c" + random.Next(60)).ToArray();
        var y = Enumerable.Range(0, rows).Select(i => (double.IsNaN(a[i]) ? 0.4 : a[i]) + (b[i] / 40) + ((c[i] ?? "").EndsWith('7') ? 0.7 : 0) + (random.NextDouble() * 0.2) > 0.6 ? 1L : 0L).ToArray();
        return new Table([Column.Of("a", a), Column.Of("b", b), Column.Of("c", c), Column.Of("y", y)]);
    }

    /// <summary>One split: left 1, right 2.</summary>
    static string Constant(string kind, string threshold, string decision) => $"""
        tree
        version=v4
        num_class=1
        num_tree_per_iteration=1
        label_index=0
        max_feature_idx=0
        objective=regression
        feature_names=x
        feature_infos=[-10:10]
        tree_sizes=400

        Tree=0
        num_leaves=2
        num_cat=0
        split_feature=0
        split_gain=1
        threshold={threshold}
        decision_type={decision}
        left_child=-1
        right_child=-2
        leaf_value=1 2
        leaf_weight=1 1
        leaf_count=1 1
        internal_value=0
        internal_weight=2
        internal_count=2
        is_linear=0
        shrinkage=1


        end of trees

        parameters:
        end of parameters

        pandas_categorical:null

        """;

    string LightGbm(string text)
    {
        var folder = Folder();
        File.WriteAllText(Path.Combine(folder, "model.lgb"), text);
        File.WriteAllText(Path.Combine(folder, "MLmodel"), "flavors:\n  lightgbm:\n    data: model.lgb\n");
        return folder;
    }

    string XgBoost(string name)
    {
        var folder = Folder();
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Models", "XgBoost", name + ".json"), Path.Combine(folder, "model.json"));
        File.WriteAllText(Path.Combine(folder, "MLmodel"), "flavors:\n  xgboost:\n    data: model.json\n");
        return folder;
    }

    string Folder() => Directory.CreateDirectory(Path.Combine(_folder, Path.GetRandomFileName())).FullName;
}
