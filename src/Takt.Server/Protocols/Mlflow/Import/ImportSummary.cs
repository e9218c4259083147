namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary>What an import has done, or would do.</summary>
public sealed class ImportSummary
{
    public string Source { get; set; } = "";
    public int Experiments { get; set; }
    public int Runs { get; set; }

    /// <summary>Here already, as they are there.</summary>
    public int RunsThere { get; set; }
    public long Points { get; set; }
    public long Artifacts { get; set; }
    public long Bytes { get; set; }

    /// <summary>Runs and logged models whose artifacts stay where they are, such as in a bucket.</summary>
    public int ArtifactsLeft { get; set; }
    public int LoggedModels { get; set; }
    public int Traces { get; set; }
    public int Spans { get; set; }
    public int Assessments { get; set; }

    /// <summary>Of traces to runs that did not make them, those that were here already too.</summary>
    public int Links { get; set; }
    public int Models { get; set; }
    public int Versions { get; set; }

    /// <summary>Names that were taken: theirs → ours.</summary>
    public SortedDictionary<string, string> Renamed { get; } = new(StringComparer.Ordinal);

    /// <summary>What could not be copied; another import tries it again.</summary>
    public List<string> Faults { get; } = [];
}
