using System.Collections.Concurrent;
using System.IO.Compression;
using Takt.Storage;

namespace Takt.Data;

/// <summary>Whether a compressed file is whole: the reader of tables takes what is there of one that was cut off, and says nothing.</summary>
/// <remarks>The runtime tells of an end that is missing with <c>System.IO.Compression.UseStrictValidation</c> only, which Directory.Build.props sets; of checksums always.</remarks>
static class Gzip
{
    const int MostKnown = 10_000;

    // found whole, as they were then: a table is scanned several times
    static readonly ConcurrentDictionary<string, FileStat> s_whole = new(StringComparer.Ordinal);

    public static bool Is(string file) => file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads all of it, at the first time.</summary>
    /// <exception cref="TaktException">Invalid: damaged or cut off.</exception>
    public static void Require(string shown, string file)
    {
        var path = Path.GetFullPath(file);
        if (FileStat.Of(path) is not { } stat || (s_whole.TryGetValue(path, out var known) && known == stat)) return; // who reads it tells that it is gone
        try
        {
            using var content = File.OpenRead(file);
            if (content.ReadByte() != 0x1F || content.ReadByte() != 0x8B) throw TaktException.Invalid($"{shown}: it is not compressed as gzip, though its name says so, or damaged");
            content.Position = 0;
            using var plain = new GZipStream(content, CompressionMode.Decompress);
            var buffer = new byte[1 << 16];
            while (plain.Read(buffer) > 0)
            {
            }
        }
        catch (InvalidDataException e)
        {
            throw new TaktException(TaktError.Invalid, $"'{shown}' is damaged or cut off: what is compressed in it does not come out whole; bring it again, or compress it again", e);
        }
        if (s_whole.Count >= MostKnown) s_whole.Clear();
        s_whole[path] = stat;
    }
}
