using System.Text.Json.Serialization;

namespace Takt.Data;

/// <summary>How a diff is told as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DatasetDiff))]
public sealed partial class DiffJson : JsonSerializerContext;
