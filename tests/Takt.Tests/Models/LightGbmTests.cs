using Takt.Data;
using Takt.ML.LightGbm;
using Takt.ML.Runtimes;
using Takt.ML.Trainers;
using Takt.Models;

namespace Takt.Tests.Models;

public sealed class LightGbmTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-ml").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static Table Data(int rows = 600)
    {
        var random = new Random(4);
        var (x, c, y) = (new double[rows], new string?[rows], new long[rows]);
        for (var i = 0; i < rows; i++)
        {
            x[i] = i % 17 == 0 ? double.NaN : random.NextDouble();
            c[i] = (i % 3) switch { 0 => "red", 1 => "green", _ => "blue" };
            y[i] = (x[i] > 0.5) ^ (c[i] == "red") ? 1 : 0;
        }
        return new Table([Column.Of("x", x), Column.Of("c", c), Column.Of("y", y)]);
    }

    string Train(string name, Table table, string task = "binary", string target = "y")
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        new LightGbmTrainer().Train(new TrainingRequest(task, target, null, [], new Dictionary<string, double> { ["trees"] = 20 }, 3), table, folder, TextWriter.Null, default);
        return folder;
    }

    [Fact]
    public void It_learns_and_equal_seeds_give_equal_bytes()
    {
        var (a, b) = (Train("a", Data()), Train("b", Data()));
        Assert.Equal(File.ReadAllBytes(Path.Combine(a, "model.lgb")), File.ReadAllBytes(Path.Combine(b, "model.lgb")));
        using var model = new LightGbmRuntime().Load(a);
        var score = model.Predict(Data())["probability"];
        var right = Enumerable.Range(0, 600).Count(i => score.Numbers[i] > 0.5 == Data()["y"].Integers[i] > 0);
        Assert.True(right > 560, $"{right} of 600");
    }

    [Fact]
    public void One_row_at_a_time_and_columns_in_another_order_give_the_same_bits()
    {
        using var model = new LightGbmRuntime().Load(Train("m", Data()));
        var all = model.Predict(Data())["probability"].Numbers;
        for (var i = 0; i < 50; i++)
            Assert.Equal(all[i], model.Predict(new Table([Column.Of("c", [Data()["c"].Texts[i]]), Column.Of("x", [Data()["x"].Numbers[i]])]))["probability"].Numbers[0]);
    }

    [Fact]
    public void A_category_that_was_never_seen_counts_as_missing()
    {
        using var model = new LightGbmRuntime().Load(Train("m", Data()));
        double Score(string? c) => model.Predict(new Table([Column.Of("c", [c]), Column.Of("x", [0.7])]))["probability"].Numbers[0];
        Assert.Equal(Score(null), Score("purple"));
        Assert.NotEqual(Score("red"), Score("blue"));
    }

    [Fact]
    public void Regression_learns_a_line()
    {
        var x = Enumerable.Range(0, 500).Select(i => i / 500.0).ToArray();
        using var model = new LightGbmRuntime().Load(Train("r", new Table([Column.Of("x", x), Column.Of("y", x.Select(v => (3 * v) + 1).ToArray())]), "regression"));
        Assert.InRange(model.Predict(new Table([Column.Of("x", [0.5])]))["prediction"].Numbers[0], 2.2, 2.8);
    }

    [Fact]
    public void A_small_table_is_trained_by_one_thread_on_any_machine() =>
        Assert.Contains("[num_threads: 1]", File.ReadAllText(Path.Combine(Train("m", Data()), "model.lgb")));

    [Fact]
    public void A_split_that_only_tells_missing_from_all_else_is_read_and_goes_into_ONNX_too()
    {
        var x = Enumerable.Range(0, 400).Select(i => i % 3 == 0 ? double.NaN : i % 11).ToArray();
        var package = Train("m", new Table([Column.Of("x", x), Column.Of("y", x.Select(v => double.IsNaN(v) ? 1L : 0).ToArray())]));
        Assert.Contains("threshold=inf", File.ReadAllText(Path.Combine(package, "model.lgb"))); // as LightGBM writes it
        using var model = new LightGbmRuntime().Load(package);
        var rows = new Table([Column.Of("x", [double.NaN, 0, 10, -1e300, 1e300])]);
        Assert.Equal([true, false, false, false, false], model.Predict(rows)["probability"].Numbers.Select(p => p > 0.5));
        var converted = Directory.CreateDirectory(Path.Combine(_folder, "onnx")).FullName;
        new LightGbmRuntime().Convert(package, "onnx", converted);
        using var onnx = new OnnxRuntime().Load(converted);
        Assert.Equal([true, false, false, false, false], onnx.Predict(rows).Columns[0].Numbers.Select(p => p > 0.5));
    }

    [Fact]
    public void Every_missing_or_mistyped_input_is_named()
    {
        using var model = new LightGbmRuntime().Load(Train("m", Data()));
        var e = Assert.Throws<TaktException>(() => model.Predict(new Table([Column.Of("x", ["text"])])));
        Assert.Equal(2, e.Faults.Count);
    }

    [Theory]
    [InlineData(0, 0, "is 0 in every row")]
    [InlineData(0, 2, "a binary target is 0 or 1")]
    public void A_target_that_can_not_be_learned_is_refused(long a, long b, string message)
    {
        var table = new Table([Column.Of("x", [1.0, 2.0]), Column.Of("y", [a, b])]);
        Assert.Contains(message, Assert.Throws<TaktException>(() => Train("t", table)).Message);
    }

    [Fact]
    public void A_torn_package_is_named()
    {
        var folder = Train("m", Data());
        File.WriteAllText(Path.Combine(folder, "takt.json"), "{");
        Assert.Contains("takt.json", Assert.Throws<TaktException>(() => new LightGbmRuntime().Load(folder)).Message);
        File.Delete(Path.Combine(folder, "MLmodel"));
        Assert.Contains("MLmodel", Assert.Throws<TaktException>(() => new LightGbmRuntime().Load(folder)).Message);
    }

    [Theory]
    [InlineData("binary")]
    [InlineData("regression")]
    public void Compiled_trees_give_the_native_librarys_bits(string task)
    {
        // loading compares the two on hundreds of rows and keeps the native library when a bit differs
        using var booster = Booster.Load(File.ReadAllText(Path.Combine(Train("m", Data(), task), "model.lgb")));
        Assert.True(booster.Compiled);
    }

    [Theory]
    [InlineData("objective=binary sigmoid:1", "objective=multiclass num_class:3")]
    [InlineData("is_linear=0", "is_linear=1")]
    [InlineData("\nfeature_names", "\naverage_output\nfeature_names")]
    public void What_compiled_trees_do_not_know_stays_with_the_native_library(string known, string other)
    {
        var text = File.ReadAllText(Path.Combine(Train("m", Data()), "model.lgb"));
        Assert.Contains(known, text);
        Assert.NotNull(CompiledTrees.Of(text));
        Assert.Null(CompiledTrees.Of(text.Replace(known, other)));
    }
}
