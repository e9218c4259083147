using System.Text.Json.Serialization;

namespace Takt.Monitors;

[JsonSerializable(typeof(IReadOnlyList<ColumnDrift>))]
[JsonSerializable(typeof(List<ColumnDrift>))]
[JsonSerializable(typeof(double))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
sealed partial class MonitorsJson : JsonSerializerContext;
