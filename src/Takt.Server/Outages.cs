using System.Collections.Concurrent;

namespace Takt.Server;

/// <summary>What a server needs and can do without for a while: the database, the store. Who finds one out or back says so here; health and metrics tell it.</summary>
sealed class Outages(TimeProvider time)
{
    public const string Database = "database", Store = "store";

    readonly ConcurrentDictionary<string, (DateTimeOffset? Since, string Why)> _parts = new(StringComparer.Ordinal);

    public void Up(string part) => _parts[part] = (null, "");

    /// <returns>True when it was up before.</returns>
    public bool Down(string part, string why)
    {
        var was = _parts.TryGetValue(part, out var before) ? before.Since : null;
        _parts[part] = (was ?? time.GetUtcNow(), why);
        return was is null;
    }

    /// <returns>Null: it is up, or was not asked yet.</returns>
    public (DateTimeOffset Since, string Why)? Of(string part) => _parts.TryGetValue(part, out var known) && known.Since is { } since ? (since, known.Why) : null;
}
