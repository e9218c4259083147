namespace Takt.Storage.Packs;

/// <summary>Packs made anew out of some of the records of others.</summary>
static class PackRewrite
{
    /// <summary>Removes one blob from a pack, at once and for good.</summary>
    public static Task Without(PackStore store, Pack pack, ContentId unwanted, CancellationToken cancel) => Replace(store, pack, at => pack.Index[at].Id != unwanted, cancel);

    /// <summary>Puts the wanted records of a pack into one of another name, and removes it.</summary>
    public static async Task Replace(PackStore store, Pack pack, Func<int, bool> wanted, CancellationToken cancel)
    {
        // the same records would be a pack of the same name, which keeps its bytes: one more makes it another
        var extra = Enumerable.Range(0, pack.Index.Count).All(wanted) && pack.Index.Count > 0 ? Guid.NewGuid().ToByteArray() : null;
        var kept = await Write(store, [(pack, wanted)], cancel, extra);
        await store.Database.Write(session =>
        {
            foreach (var one in kept) PackTable.Add(session, one, store.Now);
            session.Execute($"delete from pack where id = {pack.Id.Digest}");
        });
        store.Refresh();
        await store.Objects.Remove(PackFormat.IndexName(pack.Id), cancel);
        await store.Objects.Remove(PackFormat.PackName(pack.Id), cancel);
    }

    /// <summary>Copies the wanted records, as they are stored, into new packs and publishes these; no row names them yet.</summary>
    /// <param name="extra">One record more.</param>
    public static async Task<List<SealedPack>> Write(PackStore store, IEnumerable<(Pack Pack, Func<int, bool> Wanted)> sources, CancellationToken cancel, byte[]? extra = null)
    {
        var made = new List<SealedPack>();
        PackWriter? writer = null;
        try
        {
            foreach (var (pack, wanted) in sources)
            {
                // in the order they lie in, so that the disk reads straight on
                foreach (var entry in Enumerable.Range(0, pack.Index.Count).Where(wanted).Select(at => pack.Index[at]).OrderBy(entry => entry.Offset))
                {
                    cancel.ThrowIfCancellationRequested();
                    var content = pack.Read(entry); // refuses what is damaged
                    writer ??= new PackWriter(store.Scratch);
                    if (entry.Zstd)
                    {
                        var stored = pack.ReadStored(entry);
                        writer.Add(entry.Id, entry.Kind, stored, content.Length, true, System.IO.Hashing.XxHash128.HashToUInt128(stored));
                    }
                    else writer.Add(entry.Id, entry.Kind, content, content.Length, false, System.IO.Hashing.XxHash128.HashToUInt128(content));
                    CrashPoint.Pass("rewrite.record");
                    if (writer.IsFull) await Close();
                }
            }
            if (extra is not null) (writer ??= new PackWriter(store.Scratch)).Add(ContentId.Of(extra), RecordKind.Bytes, extra, extra.Length, false, System.IO.Hashing.XxHash128.HashToUInt128(extra));
            await Close();
            return made;
        }
        finally
        {
            writer?.Dispose();
        }

        async Task Close()
        {
            if (writer is null) return;
            var pack = writer.Seal();
            writer.Dispose();
            writer = null;
            await store.Objects.Publish(PackFormat.PackName(pack.Id), pack.PackFile, cancel);
            CrashPoint.Pass("rewrite.published");
            await store.Objects.Publish(PackFormat.IndexName(pack.Id), pack.IndexFile, cancel);
            made.Add(pack);
        }
    }
}
