using System.Collections.Concurrent;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Which runs were found to take points, remembered until anything but points is written: a client that logs alone is looked up once.</summary>
/// <remarks>What another process changes meanwhile is not seen: a point that comes after a deletion there is kept as if it had come before.</remarks>
sealed class ActiveRuns(Database database)
{
    /// <summary>More runs than log at once anywhere.</summary>
    const int Most = 10_000;

    volatile Known _known = new(-1);

    /// <param name="check">Throws when the run takes no points.</param>
    public void Check(string run, Workspace workspace, Action<SqlSession> check)
    {
        var changes = database.Changes; // before the rows are read: what comes between is found changed the next time
        var known = _known;
        if (known.Changes != changes || known.Runs.Count >= Most) _known = known = new(changes);
        if (known.Runs.ContainsKey((run, workspace))) return;
        database.ReadBeside(session =>
        {
            check(session);
            return true;
        });
        known.Runs[(run, workspace)] = true;
    }

    sealed class Known(long changes)
    {
        public long Changes { get; } = changes;
        public ConcurrentDictionary<(string Run, Workspace Workspace), bool> Runs { get; } = new();
    }
}
