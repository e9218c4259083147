using System.Diagnostics;
using Takt.Pipelines;

namespace Takt.Models;

/// <summary><c>score</c>: a registered version or a package of the project over data files, the answers written beside the rows.</summary>
public sealed class ScoreStep(ModelRegistry registry) : IStepKind
{
    public string Name => "score";

    public StepDeclaration Declare(StepArguments with)
    {
        var (model, data, output) = (with.Text("model"), with.Text("data"), with.Text("output"));
        _ = with.Texts("keep");
        _ = with.Flag("explain", false);
        if (output.Length > 0 && Path.GetExtension(output) is not (".parquet" or ".csv" or ".jsonl" or ".ndjson")) with.Fault("output", $"'{output}' must end with .parquet, .csv or .jsonl");
        return new StepDeclaration(IsReference(model) ? [data] : [Folder(model), data], [output]);
    }

    public ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var model = context.With.Text("model");
        return new(new Dictionary<string, string> { ["model"] = IsReference(model) ? registry.Resolve(model).Reference : "" });
    }

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var (model, output) = (context.With.Text("model"), context.With.Text("output"));
        var version = IsReference(model) ? registry.Resolve(model) : null;
        using var loaded = version is null ? registry.LoadFolder(context.PathOf(model)) : await registry.Load(version, cancel);
        var keep = context.With.Has("keep") ? context.With.Texts("keep") : null;
        var start = Stopwatch.GetTimestamp();
        var rows = await BatchScore.Run(loaded, [context.PathOf(context.With.Text("data"))], context.PathOf(output), keep, context.With.Flag("explain", false), cancel: cancel);
        context.Log.WriteLine($"{rows:N0} rows in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
        return new StepOutcome($"{output}: {rows:N0} rows scored by {version?.Reference ?? model}", new Dictionary<string, double> { ["rows"] = rows }, new Dictionary<string, string>());
    }

    /// <summary><c>flights@champion</c>; anything else is a folder of the project.</summary>
    static bool IsReference(string model) => model.Contains('@') && !model.Contains('/');

    static string Folder(string model) => model.EndsWith('/') ? model : model + "/";
}
