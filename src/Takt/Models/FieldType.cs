namespace Takt.Models;

/// <summary>The type of a model's input or output; MLflow's names, since the package is MLflow's format.</summary>
[System.Text.Json.Serialization.JsonConverter(typeof(System.Text.Json.Serialization.JsonStringEnumConverter<FieldType>))]
public enum FieldType { Boolean, Integer, Long, Float, Double, String, Binary, Datetime }
