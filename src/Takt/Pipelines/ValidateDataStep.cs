using Takt.Data;
using Takt.Storage;

namespace Takt.Pipelines;

/// <summary><c>validate-data</c>: stops the pipeline unless <c>data</c> is as <c>expect</c> says; can write the profile and the report of what it saw.</summary>
/// <remarks><c>against: NAME@REF</c> is the version that counts as the one before; other datasets may be named as everywhere.</remarks>
public sealed class ValidateDataStep(Datasets datasets, TimeProvider time) : IStepKind
{
    public string Name => "validate-data";

    public StepDeclaration Declare(StepArguments with)
    {
        var data = with.Texts("data");
        if (data.Count == 0) with.Fault("data", "data is missing: a file or a folder of tables");
        var file = ExpectationReader.FileOf(with);
        if (ExpectationReader.Read(with, null) is null && file is null) with.Fault("expect", "expect is missing: what the data must be like, or the file that says so");
        _ = with.TextOrNull("against");
        return new StepDeclaration(file is null ? data : [.. data, file], ((string?[])[with.TextOrNull("profile"), with.TextOrNull("report")]).OfType<string>().ToList());
    }

    /// <summary>What is compared with may move: the key has the commits that the names mean now.</summary>
    public ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var facts = new Dictionary<string, string>();
        if (ExpectationReader.Read(context.With, context.Folder) is { } expect)
            foreach (var reference in expect.Files.Concat(expect.Profiles).Append(context.With.TextOrNull("against")).OfType<string>().Where(r => r != DriftBound.Previous).Distinct())
                facts[reference] = datasets.Show(reference).Id.ToString();
        return new(facts);
    }

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var data = context.With.Texts("data");
        var files = data.Select(context.PathOf).ToList();
        var expect = ExpectationReader.Read(context.With, context.Folder)!;
        var before = context.With.TextOrNull("against") is { } against ? datasets.Show(against) : null;
        var others = datasets.Scratch();
        CheckReport report;
        try
        {
            var known = await CheckContext.Load(datasets, expect, before?.Dataset ?? "data", before, others, time.GetUtcNow(), cancel);
            report = await Task.Run(() => expect.Check(files, known, cancel), cancel);
        }
        finally
        {
            if (Directory.Exists(others)) Directory.Delete(others, recursive: true);
        }
        foreach (var result in report.Results.Where(result => result.Status is CheckStatus.Warned or CheckStatus.Skipped))
            context.Log.WriteLine($"{(result.Status == CheckStatus.Warned ? "warning" : "skipped")}: {result}");
        if (context.With.TextOrNull("report") is { } told) Files.WriteAtomically(context.PathOf(told), report.ToJson());
        report.Require(string.Join(", ", data));
        if (context.With.TextOrNull("profile") is { } path) Files.WriteAtomically(context.PathOf(path), Profiler.Profile(files, cancel).ToJson());
        var columns = expect.Columns.Select(column => column.Name).Distinct().Count();
        var summary = $"{string.Join(", ", data)}: as expected ({columns} columns checked){(report.Warned > 0 ? $", {report.Warned} warnings" : "")}";
        return new StepOutcome(summary, new Dictionary<string, double> { ["rows"] = report.Rows, ["checks_passed"] = report.Passed, ["checks_warned"] = report.Warned }, new Dictionary<string, string>());
    }
}
