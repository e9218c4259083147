namespace Takt.Pipelines;

/// <summary>What a step is given when it runs.</summary>
public sealed record StepContext
{
    /// <summary>The stage's name in the plan, such as <c>train</c> or <c>gates.quality</c>.</summary>
    public required string Stage { get; init; }

    /// <summary>The project's folder, absolute; declared paths are relative to it.</summary>
    public required string Folder { get; init; }

    /// <summary>The name of the project (<c>project:</c>).</summary>
    public required string Project { get; init; }

    public required StepArguments With { get; init; }

    /// <summary>All inputs of the stage, as declared; a gate finds the metrics files of the stage before it here.</summary>
    public required IReadOnlyList<string> In { get; init; }

    /// <summary>What all stages before this one told of themselves, now or when they ran: where its inputs are from.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Lineage { get; init; }

    /// <summary>The run of this stage; its params, metrics and artifacts go here.</summary>
    public required RunId Run { get; init; }

    /// <summary>The run of the whole pipeline.</summary>
    public required RunId PipelineRun { get; init; }

    /// <summary>The commit of the code, 40 hex digits, <c>-dirty</c> behind it when the work tree differs; null outside git.</summary>
    public string? CodeCommit { get; init; }

    /// <summary>Lines for the stage's log; live in the terminal.</summary>
    public required TextWriter Log { get; init; }

    /// <summary>Absolute path of a declared one.</summary>
    public string PathOf(string declared) => Path.GetFullPath(Path.Combine(Folder, declared));
}
