namespace Takt.Deployments;

/// <summary>An OpenAI-compatible server behind an endpoint: the runtime of an LLM revision.</summary>
/// <param name="Url">Its base URL, with <c>/v1</c> where it has one.</param>
/// <param name="Model">The model's name there.</param>
/// <param name="KeySecret">Name of the secret that holds its key (<c>TAKT_SECRET_NAME</c>); null: it takes none.</param>
/// <param name="TimeoutSeconds">To the first byte of the answer.</param>
public sealed record Upstream(string Url, string Model, string? KeySecret, int TimeoutSeconds = 120);
