namespace Takt.Models;

/// <summary>A change in the registry.</summary>
/// <param name="Kind"><c>version.created</c>, <c>alias.set</c>, <c>alias.deleted</c>.</param>
public sealed record ModelEvent(string Name, int? Version, string Kind, string Detail, DateTimeOffset Time);
