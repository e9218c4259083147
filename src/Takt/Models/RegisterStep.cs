using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Models;

/// <summary><c>register</c>: makes a package a version of a registered model, with all that led to it, and moves an alias to it.</summary>
public sealed class RegisterStep(ModelRegistry registry) : IStepKind
{
    public const string ModelTag = "takt.model";

    public string Name => "register";

    public StepDeclaration Declare(StepArguments with)
    {
        _ = with.Text("name");
        _ = with.TextOrNull("alias");
        return new StepDeclaration([Folder(with), .. with.Texts("metrics")], []);
    }

    /// <summary>A version stays; its alias may have been moved by somebody.</summary>
    public ValueTask<bool> StillHolds(StepContext context, IReadOnlyDictionary<string, string> tags, CancellationToken cancel) =>
        new(tags.TryGetValue(ModelTag, out var reference) && registry.Find(reference) is { } version
            && (context.With.TextOrNull("alias") is not { } alias || version.Aliases.Contains(alias)));

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var name = context.With.Text("name");
        var folder = context.PathOf(Folder(context.With));
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var file in context.With.Texts("metrics")) MetricsFile.Read(context.PathOf(file), file, metrics);

        // the stages of this pipeline run tell where the model is from; a cached one told it when it ran
        var datasets = context.Lineage.Where(t => t.Key == "takt.dataset").Select(t => t.Value).Distinct().Order(StringComparer.Ordinal).ToList();
        var info = ModelPackage.Open(folder).Info;
        var parameters = info.Parameters.ToDictionary(p => p.Key, p => p.Value.ToString("R"));
        parameters["algorithm"] = info.Algorithm;
        parameters["seed"] = info.Seed.ToString();
        var version = await registry.Register(new RegisterModel(name, folder, context.PipelineRun, context.CodeCommit, datasets, parameters, metrics), cancel: cancel);
        if (context.With.TextOrNull("alias") is { } alias) await registry.SetAlias(name, alias, version.Version);
        // the same bytes from the same code and data are no news
        var again = version.Run is { } maker && maker != context.PipelineRun ? $" again, as run {maker.Value[..Math.Min(8, maker.Value.Length)]} made it from the same code and data" : "";
        return new StepOutcome($"{version.Reference}{again}{(context.With.TextOrNull("alias") is { } a ? $" is now {name}@{a}" : "")}",
            new Dictionary<string, double>(), new Dictionary<string, string> { [ModelTag] = version.Reference });
    }

    static string Folder(StepArguments with)
    {
        var folder = with.Text("model");
        return folder.Length > 0 && !folder.EndsWith('/') ? folder + "/" : folder;
    }
}
