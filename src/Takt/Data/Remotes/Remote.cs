using System.Collections;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>
/// Another store that versions are pushed to and pulled from. Whatever it is, a pusher sends content first and moves refs last, children before parents, so
/// that a kill at any moment leaves it whole: what it has of a parent, it has of all below.
/// </summary>
public abstract class Remote : IAsyncDisposable
{
    /// <summary>Ids asked for at once.</summary>
    internal const int MostIds = 65_536;

    /// <summary>For messages.</summary>
    public abstract string Place { get; }

    /// <summary>A folder for packs in the making.</summary>
    internal abstract string Scratch { get; }

    /// <summary>All branches and tags, of one dataset or of all.</summary>
    public abstract Task<IReadOnlyList<RemoteRef>> Refs(string? dataset, CancellationToken cancel);

    /// <summary>The versions from <paramref name="from"/> back along all parents, those that the remote has and <paramref name="known"/> does not say; parents first.</summary>
    internal abstract Task<IReadOnlyList<DatasetCommit>> History(string dataset, IReadOnlyCollection<Digest> from, Func<Digest, bool> known, CancellationToken cancel);

    /// <summary>Which of the versions the remote has, with all their content.</summary>
    internal abstract Task<HashSet<Digest>> Commits(string dataset, IReadOnlyCollection<Digest> ids, CancellationToken cancel);

    /// <summary>Which content it has in packs; at most <see cref="MostIds"/>. Of whole files <see cref="PutWhole"/> tells.</summary>
    internal abstract Task<BitArray> Has(IReadOnlyList<ContentId> ids, CancellationToken cancel);

    /// <summary>Sends records, each verified on arrival, in any order; <paramref name="found"/> is called by one thread at a time. What lies in no pack is left out.</summary>
    /// <exception cref="TaktException">Invalid: some came damaged, all are named; the others were handed over.</exception>
    internal abstract Task Get(IReadOnlyCollection<ContentId> ids, Action<StoredRecord> found, CancellationToken cancel);

    /// <summary>A whole file from some byte on, and the length of all of it; null when there is none.</summary>
    internal abstract Task<(Stream Content, long Length)?> GetWhole(ContentId id, long from, CancellationToken cancel);

    /// <summary>What ought to be there and is not, in words, by a look at names and lengths. What is lost counts as not there from now on, to <see cref="Has"/> as well.</summary>
    /// <returns>Null: it can't be told, as nothing is known of what was there.</returns>
    internal abstract Task<IReadOnlyList<string>?> Lost(CancellationToken cancel);

    /// <summary>After a push: what is there now ought to be there the next time.</summary>
    internal virtual Task Remember(CancellationToken cancel) => Task.CompletedTask;

    /// <summary>Takes a pack; on return it is durable.</summary>
    internal abstract Task Put(SealedPack pack, CancellationToken cancel);

    /// <returns>False: it was there.</returns>
    internal abstract Task<bool> PutWhole(ContentId id, string file, CancellationToken cancel);

    /// <exception cref="TaktException">Conflict: another has moved it meanwhile; nothing was moved.</exception>
    internal abstract Task Move(RefMove move, CancellationToken cancel);

    public abstract ValueTask DisposeAsync();

    /// <summary>Versions and what they grew from, parents first; without recursion, as histories may be long.</summary>
    private protected static List<DatasetCommit> ParentsFirst(IEnumerable<Digest> from, Dictionary<Digest, DatasetCommit> all, Func<Digest, bool>? known = null)
    {
        var (found, seen) = (new List<DatasetCommit>(), new HashSet<Digest>());
        var todo = new Stack<(Digest Id, bool ParentsTold)>(from.Select(id => (id, false)));
        while (todo.TryPop(out var one))
        {
            if (one.ParentsTold)
            {
                found.Add(all[one.Id]);
                continue;
            }
            if (known?.Invoke(one.Id) == true || !all.TryGetValue(one.Id, out var commit) || !seen.Add(one.Id)) continue;
            todo.Push((one.Id, true));
            foreach (var parent in commit.Parents) todo.Push((parent, false));
        }
        return found;
    }
}
