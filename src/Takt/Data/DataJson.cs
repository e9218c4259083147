using System.Text.Json.Serialization;

namespace Takt.Data;

[JsonSerializable(typeof(List<string>))]
sealed partial class DataJson : JsonSerializerContext;
