using Takt.Data;

namespace Takt.Pipelines;

/// <summary>
/// <c>collect</c>: brings the files that match <c>source</c> into a dataset, checks <c>expect</c> on the whole new version, and checks the version
/// out at <c>path</c>. It is what an entry of <c>data:</c> with a <c>source</c> becomes.
/// </summary>
public sealed class CollectStep(Datasets datasets) : IStepKind
{
    public string Name => "collect";

    public StepDeclaration Declare(StepArguments with)
    {
        var arguments = Arguments.Read(with, null);
        return new StepDeclaration(arguments.ExpectFile is { } file ? [.. arguments.Sources, file] : arguments.Sources, [arguments.Path, DatasetPointer.PathFor(arguments.Path)]);
    }

    /// <summary>The tree that will come out: the sources alone don't tell, since files that have left the source stay in the dataset.</summary>
    public async ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var arguments = Arguments.Read(context.With, context.Folder);
        return new Dictionary<string, string>
        {
            ["dataset"] = arguments.Dataset,
            ["tree"] = (await datasets.CollectedTree(arguments.Dataset, context.Folder, arguments.Sources, cancel)).ToString(),
        };
    }

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var arguments = Arguments.Read(context.With, context.Folder);
        var collected = await datasets.Collect(arguments.Dataset, context.Folder, arguments.Sources, arguments.Expect, "", cancel);
        await datasets.Checkout(collected.Commit, context.PathOf(arguments.Path), cancel);
        var commit = collected.Commit;
        var summary = collected.IsNew
            ? $"{commit.Dataset}: {collected.Added} new, {collected.Changed} changed files; now {commit.Files} files, {commit.Rows?.ToString("N0") ?? "no"} rows"
            : $"{commit.Dataset}: nothing new; {commit.Files} files, {commit.Rows?.ToString("N0") ?? "no"} rows";
        context.Log.WriteLine($"{commit.Reference}  {(collected.IsNew ? "new version" : "as before")}");
        return new StepOutcome(summary,
            new Dictionary<string, double> { ["files"] = commit.Files, ["bytes"] = commit.Bytes, ["rows"] = commit.Rows ?? 0 },
            new Dictionary<string, string> { ["takt.dataset"] = commit.Reference });
    }

    sealed record Arguments(string Dataset, IReadOnlyList<string> Sources, string Path, Expectations? Expect, string? ExpectFile)
    {
        public static Arguments Read(StepArguments with, string? folder)
        {
            var sources = with.Texts("source");
            if (sources.Count == 0) with.Fault("source", "source is missing: a file, a folder or a glob such as incoming/*.csv");
            var path = with.Text("path");
            var last = System.IO.Path.GetFileNameWithoutExtension(System.IO.Path.TrimEndingDirectorySeparator(path));
            var dataset = with.TextOrNull("dataset") ?? (with.Name is "with" or "" ? last : with.Name); // under data: its entry's name
            return new(dataset, sources, path, ExpectationReader.Read(with, folder), ExpectationReader.FileOf(with));
        }
    }
}
