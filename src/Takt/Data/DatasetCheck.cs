using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>Looks for damage in the store and in every version of every dataset.</summary>
public static class DatasetCheck
{
    const int MostFaults = 1000;

    /// <returns>What is wrong, in words; empty when nothing is.</returns>
    /// <param name="data">Read every byte.</param>
    public static async Task<IReadOnlyList<string>> Of(Database database, PackStore store, bool data, CancellationToken cancel = default)
    {
        var faults = (await StoreCheck.Of(store, data, cancel)).ToList();
        var commits = database.Read(session => DatasetTable.Names(session).SelectMany(name => DatasetTable.All(session, name).Where(commit => commit.Dropped is null && !DatasetTable.IsPartial(session, name, commit.Id))).ToList());
        var trees = new TreeReader(store.Reader);
        var (roots, leaves, seen) = (new HashSet<ContentId>(), new HashSet<ContentId>(), new HashSet<ContentId>()); // apart: a small tree's root is its leaf, and a file may be a copy of a leaf
        foreach (var commit in commits)
        {
            var of = $"{commit.Dataset}@{commit.Id}";
            try
            {
                if (await store.Length(commit.Id, cancel) is null) faults.Add($"{of}: the commit itself is missing");
                if (!roots.Add(ContentId.From(commit.Tree))) continue;
                foreach (var leaf in await trees.Leaves(ContentId.From(commit.Tree), cancel))
                    if (leaves.Add(leaf.Id))
                        foreach (var file in await trees.Leaf(leaf.Id, cancel))
                            if (seen.Add(file.Id) && !await Whole(store, file.Id, cancel)) Add($"{of}: '{file.File.Path}' ({file.Id}) is not whole in the store");
                if (commit.Profile is { } profile && await store.Length(profile, cancel) is null) Add($"{of}: its profile {profile} is missing");
            }
            catch (TaktException e)
            {
                Add($"{of}: {e.Message}");
            }
        }
        return faults;

        void Add(string fault)
        {
            if (faults.Count < MostFaults) faults.Add(fault);
        }
    }

    /// <summary>Takes what is damaged out of the store, so that adding it again, or a remote, can bring it back.</summary>
    /// <returns>What was done, in words.</returns>
    public static Task<IReadOnlyList<string>> Repair(PackStore store, CancellationToken cancel = default) => StoreRepair.Of(store, cancel);

    /// <summary>Bytes in packs and in whole files.</summary>
    public static async Task<(long Packs, long Whole)> Usage(PackStore store, CancellationToken cancel = default)
    {
        long packs = 0, whole = 0;
        await foreach (var file in store.Objects.Objects("packs/", cancel)) packs += file.Length;
        await foreach (var file in store.Objects.Objects("loose/", cancel)) whole += file.Length;
        return (packs, whole);
    }

    static async Task<bool> Whole(PackStore store, ContentId id, CancellationToken cancel)
    {
        if (store.TryFind(id, refresh: false) is not { } hit) return await store.Whole.Length(id.Digest, cancel) is not null;
        return hit.Entry.Kind == RecordKind.Bytes || store.Reader.Chunks(ChunkList.Parse(hit.Read(), id)).All(chunk => store.TryFind(chunk.Id, refresh: false) is not null);
    }
}
