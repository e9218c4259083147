using Takt.Deployments;

namespace Takt.Server.Dashboard;

/// <summary>What each endpoint has done since it was last asked. Counts per slot, because a rollout that succeeds takes the old slot and its counts away.</summary>
sealed class LiveTraffic(Router router)
{
    Dictionary<Slot, SlotStats.Snapshot> _before = Read(router).ToDictionary(s => s.Slot, s => s.Slot.Stats.Now());

    /// <summary>By endpoint; never negative.</summary>
    public IReadOnlyDictionary<string, SlotStats.Snapshot> Next()
    {
        var now = Read(router).ConvertAll(s => (s.Endpoint, s.Slot, Stats: s.Slot.Stats.Now()));
        var since = now.GroupBy(s => s.Endpoint, s => s.Stats.Since(_before.GetValueOrDefault(s.Slot, SlotStats.Snapshot.Empty)))
            .ToDictionary(g => g.Key, g => g.Aggregate(Add));
        _before = now.ToDictionary(s => s.Slot, s => s.Stats);
        return since;
    }

    static SlotStats.Snapshot Add(SlotStats.Snapshot a, SlotStats.Snapshot b) =>
        new(a.Requests + b.Requests, a.Errors + b.Errors, a.Latency.Zip(b.Latency, (x, y) => x + y).ToArray());

    static List<(string Endpoint, Slot Slot)> Read(Router router) => router.Endpoints
        .SelectMany(endpoint => router.Find(endpoint) is { } route
            ? new[] { route.Champion, route.Challenger }.OfType<Slot>().Distinct().Select(slot => (endpoint, slot)) : [])
        .ToList();
}
