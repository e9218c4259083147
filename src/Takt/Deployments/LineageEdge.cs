namespace Takt.Deployments;

/// <summary>What went where: from the cause to the effect.</summary>
/// <param name="Kind">collected, read, ran at, part of, logged, learned from, registered, copied, deployed, serves or answered.</param>
public sealed record LineageEdge(string From, string To, string Kind);
