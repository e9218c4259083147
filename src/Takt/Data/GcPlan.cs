using System.Collections;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>What a collection of garbage would do.</summary>
/// <param name="Live">Bytes that something refers to, as they are stored.</param>
public sealed record GcPlan(IReadOnlyList<GcStep> Steps, long Live)
{
    internal Dictionary<Pack, BitArray> Marks { get; init; } = [];

    /// <summary>Only what was in quarantine before this moment may be removed: what came later may be in a lease's hands.</summary>
    internal DateTimeOffset RemovableBefore { get; init; }
}
