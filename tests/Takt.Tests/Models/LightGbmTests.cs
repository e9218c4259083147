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

    /// <summary>Which of three kinds a row is follows from x; with categories, missing values and class names of all sorts.</summary>
    static Table Kinds(int rows = 600)
    {
        var random = new Random(4);
        var x = Enumerable.Range(0, rows).Select(i => i % 17 == 0 ? double.NaN : random.NextDouble() * 3).ToArray();
        return new Table([Column.Of("x", x), Column.Of("c", x.Select((_, i) => (string?)"rgb"[i % 3].ToString()).ToArray()), Column.Of("y", x.Select(v => double.IsNaN(v) ? "it's \"odd\"" : v < 1 ? "Äpfel" : v < 2 ? "b c" : "d").ToArray())]);
    }

    [Fact]
    public void Classes_are_learned_by_name_with_a_probability_for_each_and_what_contributed_adds_up_to_the_one_said()
    {
        var package = Train("k", Kinds(), "multiclass");
        using var model = new LightGbmRuntime().Load(package);
        string[] classes = ["b c", "d", "it's \"odd\"", "Äpfel"];
        Assert.Equal(["class", .. classes.Select(c => "probability." + c)], model.Signature.Outputs.Select(f => f.Name));
        Assert.Equal(FieldType.String, model.Signature.Outputs[0].Type);
        var table = Kinds();
        var answers = model.Predict(table);
        var right = Enumerable.Range(0, table.Rows).Count(i => answers["class"].Texts[i] == table["y"].Texts[i]);
        Assert.True(right > 580, $"{right} of 600");
        for (var row = 0; row < 50; row++)
        {
            var probabilities = classes.Select(c => answers["probability." + c].Numbers[row]).ToArray();
            Assert.Equal(1, probabilities.Sum(), 9);
            Assert.Equal(answers["class"].Texts[row], classes[Array.IndexOf(probabilities, probabilities.Max())]);
            var one = model.Predict(new Table([Column.Of("x", [table["x"].Numbers[row]]), Column.Of("c", [table["c"].Texts[row]])])); // a single row takes another way
            Assert.Equal(probabilities, classes.Select(c => one["probability." + c].Numbers[0]));
        }
        var contributions = model.Explain(table)!;
        Assert.Equal(["contribution.x", "contribution.c", "contribution.bias"], contributions.Columns.Select(c => c.Name));
        // of two rows that differ by nothing but the class said, the raw scores differ as log p does
        var (a, b) = (Enumerable.Range(0, 600).First(i => answers["class"].Texts[i] == "d"), Enumerable.Range(0, 600).Last(i => answers["class"].Texts[i] == "d"));
        Assert.All(new[] { a, b }, row => Assert.True(contributions.Columns.Sum(c => c.Numbers[row]) > 0.5));
    }

    [Fact]
    public void A_model_of_classes_is_told_so_in_MLmodel_and_a_package_that_names_too_few_is_refused()
    {
        var package = Train("k", Kinds(), "multiclass");
        Assert.Contains("probability.b c", File.ReadAllText(Path.Combine(package, "MLmodel")));
        var file = Path.Combine(package, "takt.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace(",\"d\"", "", StringComparison.Ordinal)); // one class fewer than the booster gives: it would write beyond the room made for it
        Assert.Contains("damaged", Assert.Throws<TaktException>(() => new LightGbmRuntime().Load(package)).Message);
        File.Delete(file); // as an MLflow client logs it: the text knows numbers of classes only
        using var foreign = new LightGbmRuntime().Load(package);
        Assert.Equal(["class", "probability.0", "probability.1", "probability.2", "probability.3"], foreign.Signature.Outputs.Select(f => f.Name));
    }

    [Theory]
    [InlineData("differ in upper and lower case only", "a", "A", "b")]
    [InlineData("missing in row 3", "a", "b", null)]
    [InlineData("is a in every row", "a", "a", "a")]
    public void Classes_that_can_not_be_learned_are_refused(string message, params string?[] values)
    {
        var table = new Table([Column.Of("x", [1.0, 2.0, 3.0]), Column.Of("y", values)]);
        Assert.Contains(message, Assert.Throws<TaktException>(() => Train("t", table, "multiclass")).Message);
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
        Assert.NotNull(CompiledTrees.Of(ModelText.Read(text)));
        Assert.Null(CompiledTrees.Of(ModelText.Read(text.Replace(known, other))));
    }

    [Theory]
    [InlineData("left_child=", "left_child=-1000000000 ")]
    [InlineData("left_child=", "left_child=1000000000 ")]
    [InlineData("left_child=", "left_child=0 ")]
    [InlineData("right_child=", "right_child=-7 ")]
    [InlineData("right_child=", "right_child=x ")]
    [InlineData("split_feature=", "split_feature=2000000000 ")]
    [InlineData("split_feature=", "split_feature=-1 ")]
    [InlineData("threshold=", "threshold=")]
    [InlineData("leaf_value=", "leaf_value=")]
    [InlineData("num_leaves=", "num_leaves=1")]
    [InlineData("num_leaves=", "num_leaves=-")]
    public void A_model_whose_trees_lead_out_of_it_is_refused_before_the_native_library_follows_them(string member, string damaged)
    {
        var text = File.ReadAllText(Path.Combine(Train("m", Data()), "model.lgb"));
        var at = text.IndexOf('\n' + member, StringComparison.Ordinal) + 1;
        var rest = text.IndexOfAny([' ', '\n'], at + member.Length);
        var e = Assert.Throws<TaktException>(() => Booster.Load(text[..at] + damaged + text[rest..]));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains("tree 0", e.Message);
    }

    [Fact]
    public void A_tree_too_deep_for_the_stack_is_not_explained_and_ends_nothing()
    {
        const int Splits = 5000;
        // a chain: the left child of each split is a leaf, the right one the next split
        string List(int count, Func<int, int> value) => string.Join(' ', Enumerable.Range(0, count).Select(value));
        var text = File.ReadAllText(Path.Combine(Train("m", Data()), "model.lgb"));
        var head = string.Join('\n', text[..text.IndexOf("\nTree=", StringComparison.Ordinal)].Split('\n').Where(l => !l.StartsWith("tree_sizes=", StringComparison.Ordinal)));
        using var booster = Booster.Load($"""
            {head}

            Tree=0
            num_leaves={Splits + 1}
            num_cat=0
            split_feature={List(Splits, _ => 0)}
            split_gain={List(Splits, _ => 1)}
            threshold={List(Splits, i => i)}
            decision_type={List(Splits, _ => 2)}
            left_child={List(Splits, i => ~i)}
            right_child={List(Splits, i => i == Splits - 1 ? ~Splits : i + 1)}
            leaf_value={List(Splits + 1, _ => 1)}
            leaf_weight={List(Splits + 1, _ => 1)}
            leaf_count={List(Splits + 1, _ => 1)}
            internal_value={List(Splits, _ => 1)}
            internal_weight={List(Splits, _ => 1)}
            internal_count={List(Splits, i => Splits + 1 - i)}
            is_linear=0
            shrinkage=1


            end of trees

            """);
        Assert.Equal(TaktError.NotSupported, Assert.Throws<TaktException>(() => booster.Contributions([7, 1], 1, 2, new double[3])).Error);
    }
}
