using System.Security.Cryptography;

namespace Takt.Storage.Packs;

/// <summary>Looks for damage in the store itself: rows against files, packs against their indexes, records against their checksums and ids.</summary>
static class StoreCheck
{
    /// <returns>What is wrong, in words, each with the file's name; empty when nothing is.</returns>
    /// <param name="data">Read and hash every byte; else files, lengths and lists of records only.</param>
    public static async Task<IReadOnlyList<string>> Of(PackStore store, bool data, CancellationToken cancel)
    {
        store.Refresh();
        var faults = new List<string>(store.DamagedPacks);
        if (data) WorkProgress.ToDo(store.Packs().Sum(pack => (long)pack.Index.Count), store.Packs().Sum(pack => Enumerable.Range(0, pack.Index.Count).Sum(at => (long)pack.Index[at].Stored)));
        foreach (var pack in store.Packs())
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                var file = await store.Objects.LocalFile(PackFormat.PackName(pack.Id), cancel);
                var footer = Pack.ReadFooter(file, pack.Id);
                for (var i = 0; i < pack.Index.Count; i++)
                    if (footer.Length != pack.Index.Count * PackEntry.Size || PackEntry.Read(footer.AsSpan(i * PackEntry.Size)) != pack.Index[i])
                        throw TaktException.Invalid($"the index of '{file}' is not that of the pack; delete the .idx, it is made again");
                if (data) Records(store, pack, faults, cancel);
            }
            catch (TaktException e)
            {
                faults.Add(e.Message);
            }
        }
        if (data)
            await foreach (var blob in store.Whole.List(cancel))
            {
                WorkProgress.ToDo(1, blob.Length);
                await using var content = await store.Whole.Open(blob.Id, cancel);
                if (Digest.FromHash(await SHA256.HashDataAsync(content, cancel)) != blob.Id) faults.Add($"the file of {blob.Id} in loose/ holds other bytes; restore it from a backup, or delete it and add it again");
                WorkProgress.Done(1, blob.Length);
            }
        return faults;
    }

    static void Records(PackStore store, Pack pack, List<string> faults, CancellationToken cancel)
    {
        var next = (uint)PackFormat.HeaderSize;
        foreach (var entry in Enumerable.Range(0, pack.Index.Count).Select(at => pack.Index[at]).OrderBy(entry => entry.Offset))
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                if (entry.Offset != next) throw TaktException.Invalid($"'{PackFormat.PackName(pack.Id)}' has a gap at byte {next}");
                next = entry.Offset + PackFormat.RecordHead + entry.Stored;
                WorkProgress.Done(1, entry.Stored);
                var content = pack.Read(entry);
                var id = entry.Kind == RecordKind.Bytes ? ContentId.Of(content) : Whole(store, ChunkList.Parse(content, entry.Id));
                if (id != entry.Id) throw TaktException.Invalid($"{entry.Id} in '{PackFormat.PackName(pack.Id)}' at byte {entry.Offset} is other content");
            }
            catch (TaktException e)
            {
                faults.Add(e.Message);
            }
        }
    }

    static ContentId Whole(PackStore store, ChunkList list)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (var (id, length) in store.Reader.Chunks(list))
        {
            if (buffer.Length < length) buffer = new byte[length];
            store.Reader.Read(id, buffer.AsSpan(0, (int)length));
            hash.AppendData(buffer, 0, (int)length);
        }
        return ContentId.Read(hash.GetHashAndReset());
    }
}
