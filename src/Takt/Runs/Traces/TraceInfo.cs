namespace Takt.Runs.Traces;

/// <summary>One request that an application answered, without its spans.</summary>
public sealed class TraceInfo
{
    public required string Id { get; init; }
    public required long Experiment { get; init; }

    /// <summary>The id that the application itself gave the request.</summary>
    public string? ClientRequest { get; init; }
    public string? RequestPreview { get; init; }
    public string? ResponsePreview { get; init; }

    /// <summary>Unix milliseconds.</summary>
    public required long Started { get; init; }

    /// <summary>Milliseconds; null while it is running.</summary>
    public long? Duration { get; init; }

    /// <summary><c>OK</c>, <c>ERROR</c>, <c>IN_PROGRESS</c> or <c>STATE_UNSPECIFIED</c>.</summary>
    public required string State { get; init; }

    /// <summary>What never changes.</summary>
    public List<KeyValuePair<string, string>> Metadata { get; init; } = [];

    /// <summary>What users may change.</summary>
    public List<KeyValuePair<string, string>> Tags { get; init; } = [];

    public List<Assessment> Assessments { get; init; } = [];

    public string? Tag(string key) => Tags.Find(t => t.Key == key).Value;

    public string? Fact(string key) => Metadata.Find(m => m.Key == key).Value;
}
