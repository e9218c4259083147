namespace Takt.Runs;

/// <summary>One term of an order of logged models.</summary>
/// <param name="Field">An attribute, or <c>metrics.KEY</c>: its newest value.</param>
/// <param name="Dataset">For a metric: on this dataset only; null for any.</param>
public sealed record LoggedModelOrder(string Field, bool Ascending, DatasetFilter? Dataset);
