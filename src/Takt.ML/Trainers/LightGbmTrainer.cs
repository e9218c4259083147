using Takt.Data;
using Takt.Models;
using Takt.ML.LightGbm;
using Takt.Storage;

namespace Takt.ML.Trainers;

/// <summary>
/// Gradient-boosted trees (LightGBM: Ke et al., NIPS 2017): classification and regression, categorical columns as they are, missing values.
/// </summary>
public sealed class LightGbmTrainer : ITrainer
{
    public const string ModelFile = "model.lgb";

    /// <summary>A text column with more different values is an identifier, not a category.</summary>
    const int MostCategories = 10_000;

    /// <summary>A target with more different values names rows, or is a number: each class costs a tree an iteration.</summary>
    const int MostClasses = 200;

    /// <summary>Numbers in a table below which one thread trains: over few rows two mostly wait for each other, at every one of thousands of barriers, and where other work shares the cores each wait is as long as a turn of it.</summary>
    /// <remarks>Measured on two cores at load 70 to 100, 3,553 rows of 13 columns, 200 trees: 52 s with two threads, 3 to 6 s with one.</remarks>
    const int FewValues = 250_000;

    /// <summary>By the table alone, not by the machine, since the number of threads changes the order of sums, and so the last bits of a model.</summary>
    static int Threads(int values) => values < FewValues ? 1 : 2;

    public string Algorithm => "lightgbm";

    public IReadOnlyDictionary<string, double> Train(TrainingRequest request, Table table, string folder, TextWriter log, CancellationToken cancel)
    {
        var classes = request.Task == "multiclass" ? Classes(request, table) : null;
        var label = classes is null ? Label(request, table) : ClassNumbers(table[request.Target], classes);
        var features = Features(request, table);
        var matrix = new double[checked(table.Rows * features.Count)];
        new FeatureMatrix(features).Fill(table, matrix);
        var trees = (int)request.Parameters.GetValueOrDefault("trees", 100);
        log.WriteLine($"{table.Rows:N0} rows, {features.Count} features ({features.Count(f => f.Categories is not null)} categorical), {trees} trees{(classes is null ? "" : $" of each of {classes.Count} classes")}");

        using var booster = Booster.Train(matrix, label, features.Select(f => f.Name).ToList(), Parameters(request, features, Threads(matrix.Length), classes?.Count), trees, tree =>
        {
            cancel.ThrowIfCancellationRequested();
            if (tree > 0 && tree % 50 == 0) log.WriteLine($"tree {tree} of {trees}");
        });
        var score = new double[checked(table.Rows * (classes?.Count ?? 1))];
        booster.Predict(matrix, table.Rows, features.Count, score);

        var output = request.Task switch { "binary" => "probability", "multiclass" => PackageInfo.ClassOutput, _ => "prediction" };
        var answer = classes is null ? Column.Of(output, score) : Column.Of(output, Likeliest(score, classes));
        var seen = new Table([.. table.Columns.Where(c => c.Name == request.Target || features.Any(f => f.Name == c.Name)), answer]);
        var info = new PackageInfo(PackageInfo.CurrentFormat, request.Task, request.Target, output, Algorithm, features, request.Parameters, request.Seed, Profiler.Profile(seen)) { Classes = classes };
        Files.WriteAtomically(Path.Combine(folder, ModelFile), booster.Text());
        ModelPackage.Write(folder, info, $"    code: null\n    data: {ModelFile}\n    lgb_version: 4.7.0\n    model_class: lightgbm.basic.Booster\n", "mlflow.lightgbm", ModelFile);
        return new Dictionary<string, double> { ["train.rows"] = table.Rows, ["train.loss"] = Loss(request.Task, label, score) };
    }

    static float[] Label(TrainingRequest request, Table table)
    {
        if (request.Task is not ("binary" or "regression")) throw TaktException.Invalid($"task '{request.Task}' is not binary, multiclass or regression");
        if (table.Rows < 2) throw TaktException.Invalid($"{table.Rows} rows are too few to learn from");
        var column = table[request.Target];
        if (column.Type == ColumnType.Text) throw TaktException.Invalid($"target '{request.Target}' holds text; make it 0 and 1, or a number, in a sql step, or tell its values apart with task: multiclass");
        var label = new float[table.Rows];
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        for (var row = 0; row < label.Length; row++)
        {
            var value = column.NumberAt(row);
            if (!double.IsFinite(value)) throw TaktException.Invalid($"target '{request.Target}' is missing in row {row + 1}; take such rows out first");
            if (request.Task == "binary" && value is not (0 or 1)) throw TaktException.Invalid($"target '{request.Target}' is {value} in row {row + 1}; a binary target is 0 or 1");
            label[row] = (float)value;
            (low, high) = (Math.Min(low, value), Math.Max(high, value));
        }
        if (low == high) throw TaktException.Invalid($"target '{request.Target}' is {low} in every row; there is nothing to learn");
        return label;
    }

    /// <summary>The target's values as text, numbers in their order, else by the alphabet.</summary>
    static List<string> Classes(TrainingRequest request, Table table)
    {
        var column = table[request.Target];
        var found = new SortedSet<string>(StringComparer.Ordinal);
        for (var row = 0; row < column.Length; row++)
        {
            found.Add(column.TextAt(row) ?? throw TaktException.Invalid($"target '{request.Target}' is missing in row {row + 1}; take such rows out first"));
            if (found.Count > MostClasses) throw TaktException.Invalid($"target '{request.Target}' has over {MostClasses} different values: too many classes; put rare ones together in a sql step, or predict a number with task: regression");
        }
        if (found.Count < 2) throw TaktException.Invalid(found.Count == 0 ? $"{table.Rows} rows are too few to learn from" : $"target '{request.Target}' is {found.First()} in every row; there is nothing to learn");
        if (found.GroupBy(c => c, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } alike)
            throw TaktException.Invalid($"the classes {string.Join(" and ", alike)} of target '{request.Target}' differ in upper and lower case only; write them alike in a sql step");
        return column.Type == ColumnType.Text ? [.. found] : [.. found.OrderBy(c => double.TryParse(c, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : double.NaN)];
    }

    static float[] ClassNumbers(Column target, List<string> classes)
    {
        var numbers = classes.Select((c, i) => (c, i)).ToDictionary(c => c.c, c => (float)c.i, StringComparer.Ordinal);
        return [.. Enumerable.Range(0, target.Length).Select(row => numbers[target.TextAt(row)!])];
    }

    /// <summary>Of rows of probabilities, the class of the greatest one each.</summary>
    internal static string?[] Likeliest(ReadOnlySpan<double> probabilities, IReadOnlyList<string> classes)
    {
        var said = new string?[probabilities.Length / classes.Count];
        for (var row = 0; row < said.Length; row++) said[row] = classes[Largest(probabilities.Slice(row * classes.Count, classes.Count))];
        return said;
    }

    /// <summary>The place of the greatest value, the first of equal ones.</summary>
    internal static int Largest(ReadOnlySpan<double> values)
    {
        var most = 0;
        for (var k = 1; k < values.Length; k++)
            if (values[k] > values[most]) most = k;
        return most;
    }

    static List<Feature> Features(TrainingRequest request, Table table)
    {
        var names = request.Features ?? table.Columns.Select(c => c.Name).Where(name => name != request.Target).ToList();
        var faults = new List<string>();
        var features = new List<Feature>();
        foreach (var name in names)
        {
            if (name == request.Target) faults.Add($"the target '{name}' can't be a feature");
            else if (table.Find(name) is not { } column) faults.Add($"no feature column '{name}'; there are: {string.Join(", ", table.Columns.Select(c => c.Name))}");
            else if (column.Type != ColumnType.Text && !request.Categorical.Contains(name)) features.Add(new Feature(name, TypeOf(column)));
            else
            {
                var values = new SortedSet<string>(StringComparer.Ordinal);
                for (var row = 0; row < column.Length && values.Count <= MostCategories; row++)
                    if (column.TextAt(row) is { } text) values.Add(text);
                if (values.Count > MostCategories) faults.Add($"column '{name}' has over {MostCategories:N0} different values: an identifier, not a category; leave it out of features");
                else features.Add(new Feature(name, TypeOf(column), [.. values]));
            }
        }
        faults.AddRange(request.Categorical.Where(c => !names.Contains(c)).Select(c => $"categorical '{c}' is no feature"));
        if (features.Count == 0 && faults.Count == 0) faults.Add($"there is no column beside the target '{request.Target}'");
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
        return features;
    }

    static FieldType TypeOf(Column column) => column.Type switch
    {
        ColumnType.Boolean => FieldType.Boolean,
        ColumnType.Integer => FieldType.Long,
        ColumnType.Text => FieldType.String,
        ColumnType.Time => FieldType.Datetime,
        _ => FieldType.Double,
    };

    static string Parameters(TrainingRequest request, List<Feature> features, int threads, int? classes)
    {
        double Of(string name, double fallback) => request.Parameters.GetValueOrDefault(name, fallback);
        var categorical = features.Select((f, i) => (f, i)).Where(f => f.f.Categories is not null).Select(f => f.i).ToList();
        var parts = new List<string>
        {
            $"objective={request.Task}",
            $"num_leaves={Of("leaves", 31)}",
            $"learning_rate={Of("learning-rate", 0.1)}",
            $"min_data_in_leaf={Of("min-leaf", 20)}",
            $"feature_fraction={Of("feature-fraction", 1)}",
            $"bagging_fraction={Of("bagging-fraction", 1)}",
            $"bagging_freq={(Of("bagging-fraction", 1) < 1 ? 1 : 0)}",
            $"lambda_l2={Of("l2", 0)}",
            $"max_bin={Of("max-bin", 255)}",
            $"seed={request.Seed}", "deterministic=true", "force_row_wise=true", $"num_threads={threads}", "verbosity=-1",
        };
        if (classes is not null) parts.Add($"num_class={classes}");
        if (categorical.Count > 0) parts.Add("categorical_feature=" + string.Join(',', categorical));
        return string.Join(" ", parts);
    }

    /// <summary>Log loss, or mean squared error.</summary>
    static double Loss(string task, float[] label, double[] score)
    {
        var sum = 0.0;
        var classes = score.Length / label.Length;
        for (var row = 0; row < label.Length; row++)
        {
            if (task == "multiclass")
            {
                sum -= Math.Log(Math.Max(score[(row * classes) + (int)label[row]], 1e-15));
                continue;
            }
            var p = Math.Clamp(score[row], 1e-15, 1 - 1e-15);
            sum += task == "binary" ? -Math.Log(label[row] > 0 ? p : 1 - p) : (score[row] - label[row]) * (score[row] - label[row]);
        }
        return sum / label.Length;
    }
}
