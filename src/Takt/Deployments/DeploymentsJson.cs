using System.Text.Json.Serialization;

namespace Takt.Deployments;

[JsonSerializable(typeof(DeploymentSpec))]
[JsonSerializable(typeof(StepFigures.Row))]
[JsonSerializable(typeof(LookBody))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
sealed partial class DeploymentsJson : JsonSerializerContext;

/// <summary>A <see cref="RolloutLook"/> as it is stored.</summary>
sealed record LookBody(double Share, long Challenger, long Champion, IReadOnlyList<Evidence> Evidence);
