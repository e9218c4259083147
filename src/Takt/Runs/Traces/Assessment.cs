namespace Takt.Runs.Traces;

/// <summary>What somebody or something thinks of a trace, or expects of it.</summary>
public sealed record Assessment
{
    public const string Feedback = "feedback";
    public const string Expectation = "expectation";
    public const string Issue = "issue";

    public string Id { get; init; } = "";
    public string Trace { get; init; } = "";

    /// <summary><see cref="Feedback"/>, <see cref="Expectation"/> or <see cref="Issue"/>.</summary>
    public required string Kind { get; init; }
    public required string Name { get; init; }

    /// <summary>JSON.</summary>
    public string Value { get; init; } = "null";

    /// <summary>JSON object with <c>error_code</c>, <c>error_message</c>, <c>stack_trace</c>: why there is no value.</summary>
    public string? Error { get; init; }

    /// <summary>Unix milliseconds; 0: now.</summary>
    public long Created { get; init; }

    /// <inheritdoc cref="Created"/>
    public long Updated { get; init; }

    /// <summary><c>HUMAN</c>, <c>LLM_JUDGE</c>, <c>CODE</c> or <c>SOURCE_TYPE_UNSPECIFIED</c>.</summary>
    public string SourceType { get; init; } = "SOURCE_TYPE_UNSPECIFIED";
    public string? Source { get; init; }
    public string? Span { get; init; }
    public string? Rationale { get; init; }

    /// <summary>The assessment that this one replaces, which then is no longer valid.</summary>
    public string? Overrides { get; init; }
    public bool Valid { get; init; } = true;
    public List<KeyValuePair<string, string>> Metadata { get; init; } = [];
}
