using System.Security.Cryptography;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>A large file out of a remote into the store. What arrived of one that was broken off stays, and the next attempt goes on behind it, in this process or another; the whole is compared with its id at the end.</summary>
sealed class WholeDownload(Remote remote, PackStore store, TimeProvider time)
{
    /// <summary>So many breaks without one more byte between them end it.</summary>
    const int MostBreaks = 5, MostSilences = 2;

    const int Step = 1 << 20;

    /// <param name="arrived">Told the bytes of each step that came.</param>
    /// <returns>False: the remote has no such file.</returns>
    /// <exception cref="TaktException">Invalid: it holds other bytes; nothing of them is kept. Unavailable: it broke off again and again, or the disk is full.</exception>
    public async Task<bool> Take(ContentId id, StoreWriter writer, Action<long> arrived, CancellationToken cancel)
    {
        var path = Path.Combine(store.Objects.Partial, id.Digest.Hex);
        FileStream file;
        try
        {
            file = Open(path);
        }
        catch (IOException e) when (StorageFaults.Of(e, path) is null)
        {
            path = Path.Combine(store.Scratch, Guid.NewGuid().ToString("N")); // another process is at it: each for itself
            file = Open(path);
        }
        await using (file)
        {
            var begun = file.Length;
            if (await Fill(file, path, id, arrived, cancel) is not { } got) return Gone(path);
            if (got != id && begun > 0)
            {
                // what was there was no beginning of it
                file.SetLength(0);
                if (await Fill(file, path, id, arrived, cancel) is not { } whole) return Gone(path);
                got = whole;
            }
            if (got != id)
            {
                File.Delete(path);
                throw TaktException.Invalid($"{remote.Place} holds other bytes than {id} says");
            }
        }
        await writer.AddLoose(id, path, cancel);
        CrashPoint.Pass("fetch.whole");
        return true;
    }

    static FileStream Open(string path) => new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 0);

    static bool Gone(string path)
    {
        File.Delete(path);
        return false;
    }

    // what is missing, behind what is there; the id of it all
    async Task<ContentId?> Fill(FileStream file, string path, ContentId id, Action<long> arrived, CancellationToken cancel)
    {
        var buffer = new byte[Step];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        file.Position = 0;
        for (int read; (read = await file.ReadAsync(buffer, cancel)) > 0;) hash.AppendData(buffer, 0, read);
        for (var breaks = 0; ;)
        {
            var before = file.Position;
            try
            {
                if (await remote.GetWhole(id, before, cancel) is not { } found) return null;
                await using var content = found.Content;
                if (before > found.Length)
                {
                    file.SetLength(0);
                    return default(ContentId);
                }
                for (int read; (read = await content.ReadAsync(buffer, cancel)) > 0;)
                {
                    file.Write(buffer, 0, read);
                    hash.AppendData(buffer, 0, read);
                    arrived(read);
                }
                if (file.Position < found.Length) throw new IOException($"it ended at byte {file.Position:N0} of {found.Length:N0}");
                file.Flush(flushToDisk: true);
                return ContentId.Read(hash.GetHashAndReset());
            }
            catch (Exception e) when (!cancel.IsCancellationRequested && e is IOException or HttpRequestException or TaskCanceledException or TaktException { Error: TaktError.Unavailable })
            {
                if (StorageFaults.Of(e, path) is { } full) throw full;
                breaks = file.Position > before ? 1 : breaks + 1;
                if (breaks >= (SilenceLimit.Ended(e) ? MostSilences : MostBreaks)) throw new TaktException(TaktError.Unavailable, $"{remote.Place}: {id} broke off at byte {file.Position:N0} ({e.Message}); try again, it goes on from there", e);
                await Task.Delay(TimeSpan.FromMilliseconds(100 << breaks), time, cancel);
            }
        }
    }
}
