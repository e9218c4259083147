using System.Text.Json.Serialization;

namespace Takt.Deployments;

/// <summary>Stored by name: only ever add.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<EvidenceVerdict>))]
public enum EvidenceVerdict
{
    /// <summary>Neither is shown yet.</summary>
    Open,
    /// <summary>It is worse by more than what is tolerated.</summary>
    Harm,
    /// <summary>It is not worse by more than what is tolerated.</summary>
    NoHarm,
}
