namespace Takt.Deployments;

/// <summary>Where an endpoint's requests go now. Immutable; swapped as a whole.</summary>
/// <param name="Share">The challenger's part of the traffic, 0 to 1. At 1 the champion stands by, loaded.</param>
public sealed record Route(Slot Champion, Slot? Challenger, double Share)
{
    /// <summary>Get copies of what the champion answers.</summary>
    public IReadOnlyList<Shadow> Shadows { get; init; } = [];

    /// <summary>What keeps a client at its revision; null: requests are spread evenly.</summary>
    public StickyKey? Sticky { get; init; }

    /// <summary>What is taken now: as the newest revision that gets traffic says; null: what every endpoint takes.</summary>
    public LimitSpec? Limits => (Challenger ?? Champion).Revision.Spec.Limits;

    /// <summary>Counts the requests of each key; set by the router, which keeps it from route to route.</summary>
    public RateLimit? Rate { get; internal set; }

    internal IEnumerable<Slot> Slots => new[] { Champion, Challenger }.OfType<Slot>().Concat(Shadows.Select(s => s.Slot)).Distinct();

    internal bool IsAs(Route other) => Champion == other.Champion && Challenger == other.Challenger && Share == other.Share && Sticky == other.Sticky && Shadows.SequenceEqual(other.Shadows);
}
