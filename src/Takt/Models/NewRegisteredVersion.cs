namespace Takt.Models;

/// <summary>A version that a client registers by its address.</summary>
/// <param name="Run">The run that made it; null: that of the logged model, if any.</param>
/// <param name="LoggedModel">The logged model that it is; null: none, or the source says it.</param>
public sealed record NewRegisteredVersion(
    string Name, string Source, string? Run, string? LoggedModel, string RunLink, string Description, IReadOnlyList<KeyValuePair<string, string>> Tags);
