using Takt.Data;
using Takt.Models;
using Takt.ML.LightGbm;
using Takt.Storage;

namespace Takt.ML.Trainers;

/// <summary>
/// Gradient-boosted trees (LightGBM: Ke et al., NIPS 2017): binary classification and regression, categorical columns as they are, missing values.
/// </summary>
public sealed class LightGbmTrainer : ITrainer
{
    public const string ModelFile = "model.lgb";

    /// <summary>A text column with more different values is an identifier, not a category.</summary>
    const int MostCategories = 10_000;

    /// <summary>Numbers in a table below which one thread trains: over few rows two mostly wait for each other, at every one of thousands of barriers, and where other work shares the cores each wait is as long as a turn of it.</summary>
    /// <remarks>Measured on two cores at load 70 to 100, 3,553 rows of 13 columns, 200 trees: 52 s with two threads, 3 to 6 s with one.</remarks>
    const int FewValues = 250_000;

    /// <summary>By the table alone, not by the machine, since the number of threads changes the order of sums, and so the last bits of a model.</summary>
    static int Threads(int values) => values < FewValues ? 1 : 2;

    public string Algorithm => "lightgbm";

    public IReadOnlyDictionary<string, double> Train(TrainingRequest request, Table table, string folder, TextWriter log, CancellationToken cancel)
    {
        var label = Label(request, table);
        var features = Features(request, table);
        var matrix = new double[checked(table.Rows * features.Count)];
        new FeatureMatrix(features).Fill(table, matrix);
        var trees = (int)request.Parameters.GetValueOrDefault("trees", 100);
        log.WriteLine($"{table.Rows:N0} rows, {features.Count} features ({features.Count(f => f.Categories is not null)} categorical), {trees} trees");

        using var booster = Booster.Train(matrix, label, features.Select(f => f.Name).ToList(), Parameters(request, features, Threads(matrix.Length)), trees, tree =>
        {
            cancel.ThrowIfCancellationRequested();
            if (tree > 0 && tree % 50 == 0) log.WriteLine($"tree {tree} of {trees}");
        });
        var score = new double[table.Rows];
        booster.Predict(matrix, table.Rows, features.Count, score);

        var output = request.Task == "binary" ? "probability" : "prediction";
        var seen = new Table([.. table.Columns.Where(c => c.Name == request.Target || features.Any(f => f.Name == c.Name)), Column.Of(output, score)]);
        var info = new PackageInfo(PackageInfo.CurrentFormat, request.Task, request.Target, output, Algorithm, features, request.Parameters, request.Seed, Profiler.Profile(seen));
        Files.WriteAtomically(Path.Combine(folder, ModelFile), booster.Text());
        ModelPackage.Write(folder, info, $"    code: null\n    data: {ModelFile}\n    lgb_version: 4.7.0\n    model_class: lightgbm.basic.Booster\n", "mlflow.lightgbm", ModelFile);
        return new Dictionary<string, double> { ["train.rows"] = table.Rows, ["train.loss"] = Loss(request.Task, label, score) };
    }

    static float[] Label(TrainingRequest request, Table table)
    {
        if (request.Task is not ("binary" or "regression")) throw TaktException.Invalid($"task '{request.Task}' is not binary or regression");
        if (table.Rows < 2) throw TaktException.Invalid($"{table.Rows} rows are too few to learn from");
        var column = table[request.Target];
        if (column.Type == ColumnType.Text) throw TaktException.Invalid($"target '{request.Target}' holds text; make it 0 and 1, or a number, in a sql step");
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

    static string Parameters(TrainingRequest request, List<Feature> features, int threads)
    {
        double Of(string name, double fallback) => request.Parameters.GetValueOrDefault(name, fallback);
        var categorical = features.Select((f, i) => (f, i)).Where(f => f.f.Categories is not null).Select(f => f.i).ToList();
        var parts = new List<string>
        {
            $"objective={(request.Task == "binary" ? "binary" : "regression")}",
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
        if (categorical.Count > 0) parts.Add("categorical_feature=" + string.Join(',', categorical));
        return string.Join(" ", parts);
    }

    /// <summary>Log loss, or mean squared error.</summary>
    static double Loss(string task, float[] label, double[] score)
    {
        var sum = 0.0;
        for (var row = 0; row < label.Length; row++)
        {
            var p = Math.Clamp(score[row], 1e-15, 1 - 1e-15);
            sum += task == "binary" ? -Math.Log(label[row] > 0 ? p : 1 - p) : (score[row] - label[row]) * (score[row] - label[row]);
        }
        return sum / label.Length;
    }
}
