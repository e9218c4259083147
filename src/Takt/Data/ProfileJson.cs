using System.Text.Json.Serialization;

namespace Takt.Data;

/// <summary>How a profile is written: camelCase, types by name, null left out. Others that hold a profile name it in a context of their own.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TableProfile))]
public sealed partial class ProfileJson : JsonSerializerContext;
