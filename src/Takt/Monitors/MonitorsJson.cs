using System.Text.Json.Serialization;

namespace Takt.Monitors;

[JsonSerializable(typeof(IReadOnlyList<ColumnDrift>))]
[JsonSerializable(typeof(List<ColumnDrift>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, double>))]
[JsonSerializable(typeof(Dictionary<string, double>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
sealed partial class MonitorsJson : JsonSerializerContext;
