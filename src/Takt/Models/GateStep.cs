using System.Text.Json;
using Takt.Evaluation;
using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Models;

/// <summary><c>gate</c>: lets a model pass or stops it, by rules over the metrics of the stage it stands after.</summary>
public sealed class GateStep(GateTable results) : IStepKind
{
    public string Name => "gate";

    public StepDeclaration Declare(StepArguments with)
    {
        _ = with.TextOrNull("after");
        _ = with.Choice("on-fail", "stop", "warn");
        var rules = with.Texts("require");
        if (rules.Count == 0) with.Fault("require", "require is missing: rules such as auc >= 0.8");
        foreach (var rule in rules)
            try
            {
                _ = GateRule.Parse(rule);
            }
            catch (TaktException e)
            {
                with.Fault("require", e.Message);
            }
        return new StepDeclaration([], []);
    }

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        string? champion = null;
        var noChampion = false;
        foreach (var file in context.In)
        {
            MetricsFile.Read(context.PathOf(file), file, metrics);
            using var json = JsonDocument.Parse(File.ReadAllBytes(context.PathOf(file)));
            if (!json.RootElement.TryGetProperty("champion", out var member)) continue;
            noChampion |= member.ValueKind == JsonValueKind.Null;
            if (member.ValueKind == JsonValueKind.Object && member.TryGetProperty("version", out var version)) champion = version.GetString();
        }
        if (metrics.Count == 0) throw TaktException.Invalid("the stage before the gate has no metrics: declare them with metrics: [FILE]");

        var outcomes = context.With.Texts("require").Select(GateRule.Parse)
            .Select(rule => noChampion && rule.NeedsChampion
                ? new GateOutcome(rule.Text, GateVerdict.NotApplicable, null, null, "there is no champion yet")
                : rule.Evaluate(name => Value(metrics, name))).ToList();
        await results.Put(context.Run, context.Stage, outcomes, champion);
        foreach (var outcome in outcomes) context.Log.WriteLine(Line(outcome));

        var failed = outcomes.Where(o => o.Verdict == GateVerdict.Failed).ToList();
        if (failed.Count == 0) return new StepOutcome($"passed: {outcomes.Count(o => o.Verdict == GateVerdict.Passed)} of {outcomes.Count} rules{(noChampion ? ", the others need a champion" : "")}");
        var message = string.Join("; ", failed.Select(f => $"{f.Rule}: {f.Reason}"));
        if (context.With.Choice("on-fail", "stop", "warn") == "stop") throw new GateNotPassedException(message);
        return new StepOutcome($"not passed, warned only: {message}");
    }

    static double? Value(Dictionary<string, double> metrics, string name)
    {
        if (metrics.TryGetValue(name, out var value)) return value;
        const string Class = "class(", Slice = "slice(", Classes = "classes.";
        var close = name.IndexOf(')', StringComparison.Ordinal);
        if (close > 0 && name.StartsWith(Class, StringComparison.Ordinal)) return metrics.TryGetValue($"{Classes}{name[Class.Length..close].Trim()}{name[(close + 1)..]}", out value) ? value : null;
        // slice(region).auc.min: the worst slice with enough rows; classes.f1.min: the worst class
        var prefix = close > 0 && name.StartsWith(Slice, StringComparison.Ordinal) ? $"slices.{name[Slice.Length..close].Trim()}." : name.StartsWith(Classes, StringComparison.Ordinal) ? Classes : null;
        if (prefix is null) return null;
        var parts = name[(prefix == Classes ? Classes.Length : close + 1)..].Split('.', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != 2) return null;
        var values = metrics.Where(m => m.Key.StartsWith(prefix, StringComparison.Ordinal) && m.Key.EndsWith("." + parts[0], StringComparison.Ordinal)).Select(m => m.Value).ToList();
        return values.Count == 0 ? null : parts[1] switch { "min" => values.Min(), "max" => values.Max(), _ => null };
    }

    static string Line(GateOutcome outcome) => $"{outcome.Verdict switch
    {
        GateVerdict.Passed => "passed",
        GateVerdict.Failed => "FAILED",
        _ => "n/a   ",
    }}  {outcome.Rule}   {(outcome.Left is null ? outcome.Reason : $"{outcome.Left:0.####} vs {outcome.Right:0.####}")}";
}
