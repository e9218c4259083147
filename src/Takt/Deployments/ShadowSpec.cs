namespace Takt.Deployments;

/// <summary>A model version that gets copies of an endpoint's requests; nobody sees its answers but the log.</summary>
/// <param name="Model">Such as <c>flights@3</c>.</param>
/// <param name="Sample">Share of the requests, above 0 to 1.</param>
public sealed record ShadowSpec(string Model, double Sample);
