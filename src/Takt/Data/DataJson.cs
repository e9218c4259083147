using System.Text.Json.Serialization;

namespace Takt.Data;

[JsonSerializable(typeof(List<string>))]
[JsonSerializable(typeof(string))]
sealed partial class DataJson : JsonSerializerContext;
