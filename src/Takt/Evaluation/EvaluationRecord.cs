namespace Takt.Evaluation;

/// <summary>One question. Inputs, outputs, expectations, tags and source are JSON.</summary>
/// <param name="Created">Unix milliseconds, as <paramref name="Updated"/>.</param>
public sealed record EvaluationRecord(
    string Id, string Set, string Inputs, string? Outputs, string? Expectations, string? Tags, string? Source, string? SourceType, string? SourceId,
    long Created, long Updated, string? CreatedBy, string? UpdatedBy);
