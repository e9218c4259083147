using System.Text.Json;

namespace Takt.Models;

/// <summary>A parameter that a model's signature allows at inference time.</summary>
/// <param name="Type">MLflow's name: <c>boolean, integer, long, float, double, string, datetime</c>, or <c>object</c>.</param>
/// <param name="IsList">Its shape is (-1,): a list of such values.</param>
/// <param name="Default">As JSON.</param>
public sealed record ModelParam(string Name, string Type, bool IsList, JsonElement Default);
