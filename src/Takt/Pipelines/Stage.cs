namespace Takt.Pipelines;

/// <summary>A node of the graph: a <c>run:</c> command or a <c>uses:</c> step kind.</summary>
public sealed record Stage
{
    /// <summary>As under <c>stages:</c>; those of the other sections are <c>data.NAME</c>, <c>gates.NAME</c>, <c>deploy.NAME</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The shell command; null for a step kind. Secrets stand in it by name.</summary>
    public string? Command { get; init; }

    public IStepKind? Kind { get; init; }

    /// <summary>The step kind's arguments; null for a command.</summary>
    public StepArguments? With { get; init; }

    /// <summary>Paths relative to the project's folder; a folder ends with <c>/</c>; a glob is allowed.</summary>
    public required IReadOnlyList<string> In { get; init; }

    public required IReadOnlyList<string> Out { get; init; }

    /// <summary>Outputs (also in <see cref="AllOutputs"/>) that hold metrics as JSON.</summary>
    public required IReadOnlyList<string> Metrics { get; init; }

    /// <summary>Params that enter the key by name, beside those that the command or the arguments spell out.</summary>
    public required IReadOnlyDictionary<string, string> Params { get; init; }

    /// <summary>Variables that the command is given, and that enter the key.</summary>
    public required IReadOnlyDictionary<string, string> Env { get; init; }

    /// <summary>Secrets that the command names, by name.</summary>
    public required IReadOnlyList<string> Secrets { get; init; }

    /// <summary>Stages that must have succeeded although no file leads from them to here.</summary>
    public required IReadOnlyList<string> Needs { get; init; }

    public TimeSpan? Timeout { get; init; }

    /// <summary>Where the stage stands in the project file, from 1.</summary>
    public required (long Line, long Column) At { get; init; }

    public IEnumerable<string> AllOutputs => Out.Concat(Metrics.Except(Out));
}
