using System.Buffers.Binary;
using System.IO.Hashing;

namespace Takt.Storage.Packs;

/// <summary>
/// How far the SHA-256 of large files had come at some of their places: a new version that begins as the old one did is hashed from where they part. Only a
/// cache, a file for each content: lost, damaged or cut short it is as good as none.
/// </summary>
sealed class HashStates(string folder)
{
    const int ItemSize = sizeof(long) + ResumableSha256.StateSize, HeadSize = 8, SumSize = 8;

    /// <summary>Smaller files are hashed in no time, in bytes.</summary>
    const long Least = 32 << 20;

    /// <summary>256 GiB of a file, at a state for each 4 MiB; 7.5 MiB.</summary>
    public const int Most = 1 << 16;

    static ReadOnlySpan<byte> Magic => "TAKTSHA1"u8;

    /// <summary>By the number of bytes that came before; empty when none are known.</summary>
    public Dictionary<long, byte[]> Read(ContentId file)
    {
        var states = new Dictionary<long, byte[]>();
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(Name(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return states;
        }
        if (bytes.Length < HeadSize + SumSize || (bytes.Length - HeadSize - SumSize) % ItemSize != 0 || !bytes.AsSpan().StartsWith(Magic)
            || XxHash64.HashToUInt64(bytes.AsSpan(0, bytes.Length - SumSize)) != BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(bytes.Length - SumSize))) return states;
        for (var at = HeadSize; at < bytes.Length - SumSize; at += ItemSize)
            states[BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at))] = bytes.AsSpan(at + sizeof(long), ResumableSha256.StateSize).ToArray();
        return states;
    }

    /// <summary>Keeps them in place of those of the version before.</summary>
    public void Write(ContentId file, IReadOnlyList<(long At, byte[] State)> states, ContentId before)
    {
        if (states.Count == 0 || states[^1].At < Least) return;
        var bytes = new byte[HeadSize + (states.Count * ItemSize) + SumSize];
        Magic.CopyTo(bytes);
        for (var i = 0; i < states.Count; i++)
        {
            var item = bytes.AsSpan(HeadSize + (i * ItemSize));
            BinaryPrimitives.WriteInt64LittleEndian(item, states[i].At);
            states[i].State.CopyTo(item[sizeof(long)..]);
        }
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(bytes.Length - SumSize), XxHash64.HashToUInt64(bytes.AsSpan(0, bytes.Length - SumSize)));
        try
        {
            Directory.CreateDirectory(folder);
            var tmp = $"{Name(file)}.{Guid.NewGuid():N}.tmp";
            using (var content = new FileStream(tmp, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0)) content.Write(bytes); // not synced: what a crash leaves of it is noticed
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
