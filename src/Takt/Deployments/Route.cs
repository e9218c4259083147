namespace Takt.Deployments;

/// <summary>Where an endpoint's requests go now. Immutable; swapped as a whole.</summary>
/// <param name="Share">The challenger's part of the traffic, 0 to 1.</param>
public sealed record Route(Slot Champion, Slot? Challenger, double Share);
