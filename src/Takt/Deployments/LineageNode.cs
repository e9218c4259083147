namespace Takt.Deployments;

/// <summary>One thing that data, code or a model went through.</summary>
/// <param name="Id"><c>KIND:NAME</c>, unique in the graph; asking for it gives its own lineage.</param>
/// <param name="Kind">source, data, code, stage, run, logged-model, model, revision, endpoint or prediction.</param>
/// <param name="Name">As a user would write it, such as <c>flights@3</c>.</param>
/// <param name="Summary">A line for the reader; may be empty.</param>
/// <param name="Rank">Its column in a drawing from left to right, from 0: greater than that of everything it came from.</param>
/// <param name="At">When it came to be; null when that is not known.</param>
public sealed record LineageNode(string Id, string Kind, string Name, string Summary, int Rank, DateTimeOffset? At, IReadOnlyDictionary<string, string> Facts);
