namespace Takt.Evaluation;

/// <summary>Questions that an application is judged by. MLflow calls it an evaluation dataset; it is no versioned dataset of <c>takt data</c>.</summary>
/// <param name="Digest">Changes with every change.</param>
/// <param name="Schema">JSON: the types of the members of inputs, outputs and expectations; null without records.</param>
/// <param name="Profile">JSON; null without records.</param>
/// <param name="Created">Unix milliseconds, as <paramref name="Updated"/>.</param>
public sealed record EvaluationSet(
    string Id, string Name, string Digest, string? Schema, string? Profile, long Created, long Updated, string? CreatedBy, string? UpdatedBy, List<KeyValuePair<string, string>> Tags);
