using System.Buffers.Binary;
using System.IO.Hashing;

namespace Takt.Storage.Packs;

/// <summary>
/// What is remembered of the hashes of large files: a new version that begins as the old one did is hashed from where they part, and its chunks are told again without their
/// SHA-256. Only a cache, a file for each content: lost, damaged or cut short it is as good as none.
/// </summary>
sealed class HashStates(string folder)
{
    const int StateSize = sizeof(long) + ResumableSha256.StateSize, HeadSize = 8 + ChunkMac.KeySize + 8, SumSize = 8;

    /// <summary>Smaller files are hashed in no time, in bytes.</summary>
    public const long Least = 32 << 20;

    /// <summary>200 GiB of a file, at a state for each 3 to 4 MiB; 7.5 MiB.</summary>
    public const int Most = 1 << 16;

    static ReadOnlySpan<byte> Magic => "TAKTSHA2"u8;

    /// <summary>Null when nothing is known of it.</summary>
    public FileHashes? Read(ContentId file)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(Name(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        var all = bytes.AsSpan();
        if (all.Length < HeadSize + SumSize || !all.StartsWith(Magic) || XxHash64.HashToUInt64(all[..^SumSize]) != BinaryPrimitives.ReadUInt64LittleEndian(all[^SumSize..])) return null;
        var (states, macs) = (BinaryPrimitives.ReadInt32LittleEndian(all[(HeadSize - 8)..]), BinaryPrimitives.ReadInt32LittleEndian(all[(HeadSize - 4)..]));
        if (states < 0 || macs < 0 || all.Length != HeadSize + ((long)states * StateSize) + ((long)macs * ChunkMac.Size) + SumSize) return null;
        var hashes = new FileHashes(all.Slice(Magic.Length, ChunkMac.KeySize).ToArray(), new(states), new(macs));
        var rest = all[HeadSize..];
        for (; states > 0; states--, rest = rest[StateSize..])
            hashes.States.Add((BinaryPrimitives.ReadInt64LittleEndian(rest), rest.Slice(sizeof(long), ResumableSha256.StateSize).ToArray()));
        for (; macs > 0; macs--, rest = rest[ChunkMac.Size..]) hashes.Macs.Add(BinaryPrimitives.ReadUInt128LittleEndian(rest));
        return hashes;
    }

    /// <summary>Keeps it in place of what was known of the version before.</summary>
    public void Write(ContentId file, FileHashes hashes, ContentId before)
    {
        var bytes = new byte[HeadSize + (hashes.States.Count * StateSize) + (hashes.Macs.Count * ChunkMac.Size) + SumSize];
        Magic.CopyTo(bytes);
        hashes.Key.CopyTo(bytes, Magic.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(HeadSize - 8), hashes.States.Count);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(HeadSize - 4), hashes.Macs.Count);
        var at = HeadSize;
        foreach (var (place, state) in hashes.States)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), place);
            state.CopyTo(bytes, at + sizeof(long));
            at += StateSize;
        }
        foreach (var mac in hashes.Macs)
        {
            BinaryPrimitives.WriteUInt128LittleEndian(bytes.AsSpan(at), mac);
            at += ChunkMac.Size;
        }
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), XxHash64.HashToUInt64(bytes.AsSpan(0, at)));
        try
        {
            Directory.CreateDirectory(folder);
            var tmp = $"{Name(file)}.{Guid.NewGuid():N}.tmp";
            var mine = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
            if (!OperatingSystem.IsWindows()) mine.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite; // the key
            using (var content = new FileStream(tmp, mine)) content.Write(bytes); // not synced: what a crash leaves of it is noticed
            File.Move(tmp, Name(file), overwrite: true);
            if (before != default && before != file) File.Delete(Name(before));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // a cache: the next version is hashed from its beginning then
        }
    }

    string Name(ContentId file) => Path.Combine(folder, file.Digest.Hex);
}
