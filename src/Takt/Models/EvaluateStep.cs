using System.Text.Json;
using Takt.Data;
using Takt.Evaluation;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Models;

/// <summary>
/// <c>evaluate</c>: scores a package on data that it has not seen, over all and per slice, beside the champion on the same rows, and writes the
/// metrics with their intervals.
/// </summary>
public sealed class EvaluateStep(ModelRegistry registry) : IStepKind
{
    /// <summary>A slice with fewer rows is named but not judged.</summary>
    const int FewestRows = 100;

    /// <summary>A column with more different values is no slice.</summary>
    const int MostSlices = 200;

    public string Name => "evaluate";

    public bool OnlyWritesOutputs => true;

    public StepDeclaration Declare(StepArguments with)
    {
        var arguments = Arguments.Read(with);
        return new StepDeclaration([arguments.Model, arguments.Data], [], [arguments.Output]);
    }

    public ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var champion = Arguments.Read(context.With).Champion is { } reference ? registry.Find(reference)?.Package?.ToString() ?? "none" : "none";
        return new(new Dictionary<string, string> { ["champion"] = champion });
    }

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var arguments = Arguments.Read(context.With);
        var folder = context.PathOf(arguments.Model);
        var info = ModelPackage.Open(folder).Info;
        var target = arguments.Target ?? info.Target;
        var table = Tables.Read([context.PathOf(arguments.Data)]);
        if (table.Rows == 0) throw TaktException.Invalid($"{arguments.Data} has no rows to evaluate on");
        var version = arguments.Champion is { } reference ? registry.Find(reference) : null;
        var champion = version is null ? null : await registry.PackageFolder(version, cancel);
        var against = champion is null ? null : ModelPackage.Open(champion).Info;
        if (against is not null && against.Classes is null != info.Classes is null)
            throw TaktException.Invalid($"{arguments.Champion} gives {Given(against)}, {arguments.Model} {Given(info)}: they can't be compared; give the alias to another version (takt models alias), or leave champion: out");
        var truth = table[target];
        var classes = info.Classes is null ? [] : ClassScores.All([.. info.Classes, .. against?.Classes ?? []], truth);
        Scores Of(string package, PackageInfo of)
        {
            using var model = registry.LoadFolder(package);
            var answers = model.Predict(table);
            return of.Classes is { } known ? ClassScores.Of(classes, truth, c => known.Contains(c) ? answers[PackageInfo.ProbabilityOf(c)] : null)
                : new NumberScores(Score(answers, of), Label(truth), info.Task == "binary", arguments.Threshold);
        }

        var own = Of(folder, info);
        var champions = champion is null ? null : Of(champion, against!);
        var (estimates, differences) = champions is null ? Bootstrap.Of(own) : Bootstrap.Of(own, champions);
        var slices = arguments.Slices.ToDictionary(s => s, s => Slices(table[s], own));

        Files.WriteAtomically(context.PathOf(arguments.Output), Json(table.Rows, estimates, differences, slices, arguments.Champion, version, own as ClassScores));
        var main = info.Task switch { "binary" => "auc", "multiclass" => "macro_f1", _ => "rmse" };
        foreach (var name in own.Names) context.Log.WriteLine(Line(name, estimates, differences));
        if (own is ClassScores told) ClassFigures.Write(context.Log, told);
        var summary = $"{main} {estimates[0][main].Value:0.0000}{(version is null ? "" : $" (champion {version.Reference}: {estimates[1][main].Value:0.0000})")} on {table.Rows:N0} rows";
        return new StepOutcome(summary);
    }

    static string Given(PackageInfo info) => info.Classes is null ? "a number" : "classes";

    static double[] Score(Table answers, PackageInfo info)
    {
        var output = info.Output.Length > 0 ? answers[info.Output] : answers.Columns[0]; // a package that does not say has its model say it
        var score = new double[answers.Rows];
        for (var i = 0; i < score.Length; i++) score[i] = output.NumberAt(i);
        return score;
    }

    static double[] Label(Column column)
    {
        var label = new double[column.Length];
        for (var i = 0; i < label.Length; i++) label[i] = column.NumberAt(i);
        return label;
    }

    static SortedDictionary<string, (int Rows, Dictionary<string, double>? Metrics)> Slices(Column column, Scores scores)
    {
        var rows = new SortedDictionary<string, List<int>>(StringComparer.Ordinal);
        for (var i = 0; i < column.Length; i++)
        {
            var value = column.TextAt(i) ?? "(missing)";
            if (!rows.TryGetValue(value, out var list)) rows[value] = list = [];
            list.Add(i);
            if (rows.Count > MostSlices) throw TaktException.Invalid($"slice column '{column.Name}' has over {MostSlices} different values");
        }
        var slices = new SortedDictionary<string, (int, Dictionary<string, double>?)>(StringComparer.Ordinal);
        foreach (var (value, list) in rows)
        {
            if (list.Count < FewestRows)
            {
                slices[value] = (list.Count, null);
                continue;
            }
            slices[value] = (list.Count, scores.Take(list).Defined());
        }
        return slices;
    }

    static string Line(string name, IReadOnlyDictionary<string, Estimate>[] estimates, IReadOnlyDictionary<string, Estimate>[] differences)
    {
        static string Interval(Estimate e) => e.Value is null ? $"undefined ({e.Reason})" : $"{e.Value:0.0000}{(e.Low is null ? "" : $"  [{e.Low:0.0000}, {e.High:0.0000}]")}";
        var line = $"{name,-18} {Interval(estimates[0][name])}";
        return differences.Length == 0 ? line : $"{line}   champion {Interval(estimates[1][name])}   difference {Interval(differences[0][name])}";
    }

    static byte[] Json(int rows, IReadOnlyDictionary<string, Estimate>[] estimates, IReadOnlyDictionary<string, Estimate>[] differences,
        Dictionary<string, SortedDictionary<string, (int Rows, Dictionary<string, double>? Metrics)>> slices, string? championReference, ModelVersion? champion, ClassScores? classes)
    {
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("rows", rows);
            Values(json, estimates[0]);
            Intervals(json, "intervals", estimates[0]);
            if (championReference is not null)
            {
                // null, not absent: there is no champion yet, so that rules about it do not apply
                if (champion is null) json.WriteNull("champion");
                else
                {
                    json.WriteStartObject("champion");
                    json.WriteString("version", champion.Reference);
                    Values(json, estimates[1]);
                    Intervals(json, "intervals", estimates[1]);
                    json.WriteEndObject();
                    json.WriteStartObject("comparison");
                    Values(json, differences[0]);
                    Intervals(json, "intervals", differences[0]);
                    json.WriteEndObject();
                }
            }
            if (slices.Count > 0) WriteSlices(json, slices);
            if (classes is not null) ClassFigures.Write(json, classes);
            json.WriteEndObject();
        }
        return body.ToArray();
    }

    static void WriteSlices(Utf8JsonWriter json, Dictionary<string, SortedDictionary<string, (int Rows, Dictionary<string, double>? Metrics)>> slices)
    {
        json.WriteStartObject("slices");
        foreach (var (column, values) in slices)
        {
            json.WriteStartObject(column);
            foreach (var (value, (rows, metrics)) in values)
            {
                json.WriteStartObject(value);
                json.WriteNumber("rows", rows);
                if (metrics is null) json.WriteString("reason", $"fewer than {FewestRows} rows");
                else
                    foreach (var (name, number) in metrics) json.WriteNumber(name, number);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    static void Values(Utf8JsonWriter json, IReadOnlyDictionary<string, Estimate> estimates)
    {
        foreach (var (name, estimate) in estimates)
            if (estimate.Value is { } value) json.WriteNumber(name, value);
            else json.WriteNull(name);
    }

    static void Intervals(Utf8JsonWriter json, string member, IReadOnlyDictionary<string, Estimate> estimates)
    {
        json.WriteStartObject(member);
        foreach (var (name, estimate) in estimates)
        {
            if (estimate.Low is not { } low || estimate.High is not { } high) continue;
            json.WriteStartArray(name);
            json.WriteNumberValue(low);
            json.WriteNumberValue(high);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    sealed record Arguments(string Model, string Data, string? Target, string? Champion, IReadOnlyList<string> Slices, string Output, double Threshold)
    {
        public static Arguments Read(StepArguments with)
        {
            var model = with.Text("model");
            if (model.Length > 0 && !model.EndsWith('/')) model += "/";
            return new(model, with.Text("data"), with.TextOrNull("target"), with.TextOrNull("champion"), with.Texts("slices"),
                with.TextOrNull("output") ?? "out/eval/metrics.json", with.Number("threshold", 0.5));
        }
    }
}
