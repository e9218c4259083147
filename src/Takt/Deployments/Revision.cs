using System.Text.Json.Serialization;

namespace Takt.Deployments;

/// <summary>A model version with its settings, behind an endpoint. It never changes.</summary>
/// <param name="Number">1, 2, … within the endpoint.</param>
/// <param name="Model">The version, such as <c>flights@3</c>; null for an LLM revision.</param>
public sealed record Revision(string Endpoint, int Number, string? Model, DeploymentSpec Spec, DateTimeOffset CreatedAt)
{
    /// <summary>What answers, as people are told: the version, or the endpoint elsewhere.</summary>
    [JsonIgnore]
    public string Name => Model ?? Spec.Elsewhere ?? "";

    /// <summary>Whether it is this very one: an endpoint that was deleted and made again has other revisions of the same numbers.</summary>
    public bool Is(Revision other) => Endpoint == other.Endpoint && Number == other.Number && CreatedAt == other.CreatedAt;
}
