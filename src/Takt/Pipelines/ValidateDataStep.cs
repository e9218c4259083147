using Takt.Data;
using Takt.Storage;

namespace Takt.Pipelines;

/// <summary><c>validate-data</c>: stops the pipeline unless <c>data</c> is as <c>expect</c> says; can write the profile of what it saw.</summary>
public sealed class ValidateDataStep : IStepKind
{
    public string Name => "validate-data";

    public StepDeclaration Declare(StepArguments with)
    {
        var data = with.Texts("data");
        if (data.Count == 0) with.Fault("data", "data is missing: a file or a folder of tables");
        if (ExpectationReader.Read(with) is null) with.Fault("expect", "expect is missing: what the data must be like");
        return new StepDeclaration(data, with.TextOrNull("profile") is { } profile ? [profile] : []);
    }

    public Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var data = context.With.Texts("data");
        var files = data.Select(context.PathOf).ToList();
        var expect = ExpectationReader.Read(context.With)!;
        expect.Require(string.Join(", ", data), files);
        var rows = 0L;
        if (context.With.TextOrNull("profile") is { } path)
        {
            var profile = Profiler.Profile(files);
            Files.WriteAtomically(context.PathOf(path), profile.ToJson());
            rows = profile.Rows;
        }
        var summary = $"{string.Join(", ", data)}: as expected ({expect.Columns.Count} columns checked)";
        return Task.FromResult(new StepOutcome(summary, rows > 0 ? new Dictionary<string, double> { ["rows"] = rows } : [], new Dictionary<string, string>()));
    }
}
