namespace Takt.Runs;

/// <summary>Which runs a table of them shows, and in what order.</summary>
public sealed record RunGridQuery
{
    /// <summary>Empty: every active experiment.</summary>
    public IReadOnlyList<long> Experiments { get; init; } = [];

    /// <summary>In the language of the API's searches.</summary>
    public string? Filter { get; init; }

    /// <summary>Runs of equal value, and those without one, follow by start, the newest first.</summary>
    public RunColumn Sort { get; init; } = new(RunColumnKind.Attribute, "start_time");

    public bool Ascending { get; init; }

    /// <summary>The deleted ones instead of the active.</summary>
    public bool Deleted { get; init; }

    /// <summary>Without the parts of other runs of the same experiment that are there themselves.</summary>
    public bool TopLevel { get; init; }

    /// <summary>Without the stages whose pipeline's run is among the runs itself and has what is sorted by: it has its stages' metrics and params, and would stand beside each of them.</summary>
    public bool FoldStages { get; init; }

    /// <summary>Only the parts of this run; null: of any or none.</summary>
    public string? Parent { get; init; }

    /// <summary>Begins behind this run; null: at the start.</summary>
    public string? After { get; init; }

    /// <summary>Ends before this run; wins over <see cref="After"/>.</summary>
    public string? Before { get; init; }

    /// <summary>1 to 1,000.</summary>
    public int Limit { get; init; } = 50;
}
