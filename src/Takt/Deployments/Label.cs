namespace Takt.Deployments;

/// <summary>What turned out to be true of a prediction. A later label of the same prediction replaces the earlier.</summary>
/// <param name="Id">A prediction's, <c>p-…:0</c>.</param>
public sealed record Label(string Id, double Value, DateTimeOffset Time);
