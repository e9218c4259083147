using System.Text.Json.Serialization;

namespace Takt.Deployments;

/// <summary>When a step of a rollout is passed. Stored by name: only ever add.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<StepPass>))]
public enum StepPass
{
    /// <summary>Its time and requests are over and there is no evidence of harm.</summary>
    Time,
    /// <summary>They are over and for each figure there is evidence that there is no harm beyond what is tolerated.</summary>
    Evidence,
    /// <summary>Whichever comes first.</summary>
    Either,
}
