using System.Collections;
using System.Security.Cryptography;

namespace Takt.Storage.Packs;

/// <summary>
/// Takes what is damaged out of the store. What it held counts as missing then, and not as there: adding the files again, or a remote that has them, brings it back.
/// </summary>
static class StoreRepair
{
    /// <returns>What was done, in words; empty when nothing is damaged.</returns>
    public static async Task<IReadOnlyList<string>> Of(PackStore store, CancellationToken cancel)
    {
        store.Refresh();
        var done = new List<string>();
        foreach (var id in store.DamagedIds)
        {
            await store.Database.Write(session => session.Execute($"delete from pack where id = {id.Digest}"));
            // the same records make a pack of the same name, and what is there under a name stays
            await store.Objects.Remove(PackFormat.IndexName(id), cancel);
            await store.Objects.Remove(PackFormat.PackName(id), cancel);
            done.Add($"'{PackFormat.PackName(id)}' could not be opened and was taken out");
        }
        foreach (var pack in store.Packs())
        {
            var whole = new BitArray(pack.Index.Count);
            var lost = 0;
            for (var i = 0; i < whole.Count; i++)
            {
                cancel.ThrowIfCancellationRequested();
                if (!(whole[i] = IsWhole(pack, pack.Index[i]))) lost++;
            }
            if (lost == 0 && await HasFooter(store, pack, cancel)) continue;
            await PackRewrite.Replace(store, pack, at => whole[at], cancel);
            done.Add($"'{PackFormat.PackName(pack.Id)}': {whole.Count - lost} records written anew{(lost > 0 ? $", {lost} that are damaged taken out" : "")}");
        }
        var wrong = new List<Digest>();
        await foreach (var blob in store.Whole.List(cancel))
        {
            await using var content = await store.Whole.Open(blob.Id, cancel);
            if (Digest.FromHash(await SHA256.HashDataAsync(content, cancel)) != blob.Id) wrong.Add(blob.Id);
        }
        foreach (var id in wrong)
        {
            await store.Whole.Delete(id, cancel);
            done.Add($"the file of {id} in loose/ held other bytes and was taken out");
        }
        store.Refresh();
        return done;
    }

    static bool IsWhole(Pack pack, in PackEntry entry)
    {
        try
        {
            var content = pack.Read(entry);
            if (entry.Kind == RecordKind.Bytes) return ContentId.Of(content) == entry.Id;
            _ = ChunkList.Parse(content, entry.Id);
            return true;
        }
        catch (TaktException)
        {
            return false;
        }
    }

    static async Task<bool> HasFooter(PackStore store, Pack pack, CancellationToken cancel)
    {
        try
        {
            _ = Pack.ReadFooter(await store.Objects.LocalFile(PackFormat.PackName(pack.Id), cancel), pack.Id);
            return true;
        }
        catch (TaktException)
        {
            return false;
        }
    }
}
