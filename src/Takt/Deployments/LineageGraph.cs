namespace Takt.Deployments;

/// <summary>Where something is from, or what came of it: a graph without cycles.</summary>
/// <param name="Root">The id of the node that was asked for.</param>
/// <param name="Nodes">By rank, then by id.</param>
/// <param name="Truncated">There is more than could be shown.</param>
public sealed record LineageGraph(string Root, IReadOnlyList<LineageNode> Nodes, IReadOnlyList<LineageEdge> Edges, bool Truncated);
