using System.Text.Json.Serialization;

namespace Takt.Deployments;

[JsonSerializable(typeof(DeploymentSpec))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
sealed partial class DeploymentsJson : JsonSerializerContext;
