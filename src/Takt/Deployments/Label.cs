namespace Takt.Deployments;

/// <summary>What turned out to be true of a prediction. A later label of the same prediction replaces the earlier.</summary>
/// <param name="Id">A prediction's, <c>p-…:0</c>; or <paramref name="ByKey"/> what the caller called it: the newest answered prediction of that key, at the label's time or before.</param>
/// <param name="Value">NaN where the truth is a <paramref name="Class"/>.</param>
/// <param name="Class">Of a model that says classes; null: the truth is a number.</param>
public sealed record Label(string Id, double Value, DateTimeOffset Time, bool ByKey = false, string? Class = null);
