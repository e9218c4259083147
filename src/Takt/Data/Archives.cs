using System.Formats.Tar;
using System.IO.Compression;
using Takt.Storage;

namespace Takt.Data;

/// <summary>Files out of archives: no entry leaves the folder, links are no files, and what is unpacked is counted as it comes, whatever the archive says of its size.</summary>
static class Archives
{
    const int MostEntries = 100_000;

    public static bool IsArchive(string path) => Kind(path) is not null;

    /// <summary>In place of each archive, the files in it that match the glob, below a folder of its name. Other files stay.</summary>
    /// <exception cref="TaktException">Invalid: damaged, or an entry that would leave the folder. TooLarge: more bytes or entries than allowed.</exception>
    public static Dictionary<string, string> Unpack(IReadOnlyDictionary<string, string> files, string wanted, string folder, long most)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        var left = new Budget(most);
        foreach (var (path, file) in files)
        {
            if (Kind(path) is not { } ending)
            {
                all[path] = file;
                continue;
            }
            var name = path[..^ending.Length];
            try
            {
                using var content = File.OpenRead(file);
                foreach (var (entry, unpacked) in ending == ".zip" ? Zip(content, path, wanted, folder, left) : Tar(content, ending, path, wanted, folder, left))
                    if (!all.TryAdd($"{name}/{entry}", unpacked)) throw TaktException.Invalid($"'{path}' holds '{entry}' twice");
            }
            catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
            {
                throw new TaktException(TaktError.Invalid, $"'{path}' is damaged or cut off: {e.Message}", e);
            }
        }
        return all;
    }

    /// <summary>Tells when a compressed table or an archive is damaged or cut off; of other files, nothing.</summary>
    public static void Doubt(string file, string shown, Action<string> tell)
    {
        var gzip = Gzip.Is(file) && (DuckDb.CanRead(file) || Kind(file) is not null) || Kind(file) == ".tgz";
        if (!gzip && Kind(file) != ".zip") return;
        try
        {
            if (gzip) Gzip.Require(shown, file);
            else
            {
                using var zip = ZipFile.OpenRead(file);
                _ = zip.Entries.Count; // the list stands at the end: of what was cut off there is none
            }
        }
        catch (TaktException e)
        {
            tell(e.Message);
        }
        catch (InvalidDataException e)
        {
            tell($"'{shown}' is damaged or cut off ({e.Message.TrimEnd('.')}); it is stored as it is");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // who takes it says so
        }
    }

    static IEnumerable<(string Entry, string File)> Zip(Stream content, string path, string wanted, string folder, Budget left)
    {
        using var zip = new ZipArchive(content, ZipArchiveMode.Read);
        foreach (var entry in zip.Entries)
        {
            left.Entry(path);
            if (entry.FullName.EndsWith('/')) continue;
            // the upper half of the attributes is a Unix mode; 0xA000 is a symbolic link
            if (((entry.ExternalAttributes >> 16) & 0xF000) == 0xA000) throw TaktException.Invalid($"'{path}' holds the link '{entry.FullName}'; only files are unpacked");
            var name = Checked(entry.FullName, path);
            if (!Wanted(wanted, name)) continue;
            if (entry.IsEncrypted) throw TaktException.Invalid($"'{path}' is encrypted");
            using var from = entry.Open();
            yield return (name, Write(from, folder, left, path));
        }
    }

    static IEnumerable<(string Entry, string File)> Tar(Stream content, string ending, string path, string wanted, string folder, Budget left)
    {
        using var plain = ending == ".tar" ? content : new GZipStream(content, CompressionMode.Decompress);
        using var tar = new TarReader(new Counted(plain, left, path));
        while (tar.GetNextEntry() is { } entry)
        {
            left.Entry(path);
            if (entry.EntryType is TarEntryType.Directory or TarEntryType.GlobalExtendedAttributes) continue;
            if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile)) throw TaktException.Invalid($"'{path}' holds '{entry.Name}', a {entry.EntryType}; only files are unpacked");
            var name = Checked(entry.Name, path);
            if (Wanted(wanted, name)) yield return (name, Write(entry.DataStream ?? Stream.Null, folder, left: null, path));
        }
    }

    static bool Wanted(string glob, string name) => glob is "true" or "**" || Glob.Matches(glob, name) || (!glob.Contains('/') && Glob.Matches(glob, name[(name.LastIndexOf('/') + 1)..]));

    // ./a/b is a/b; anything that is not a plain path below the folder is refused, not repaired: the archive was made to break out
    static string Checked(string name, string path)
    {
        var plain = name;
        while (plain.StartsWith("./", StringComparison.Ordinal)) plain = plain[2..];
        if (plain.Length is 0 or > 1000 || plain[0] == '/' || plain.Contains('\\') || plain.Contains('\0') || plain.Contains(':') || plain.Split('/').Any(part => part is "" or "." or ".."))
            throw TaktException.Invalid($"'{path}' holds '{name.Replace("\0", "\\0")}', which would leave its folder; the archive is not unpacked");
        return plain;
    }

    /// <summary>Under a name of our own: what an entry is called never becomes a path on the disk.</summary>
    static string Write(Stream from, string folder, Budget? left, string path)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        using var to = File.Create(file);
        var buffer = new byte[1 << 16];
        int read;
        while ((read = from.Read(buffer)) > 0)
        {
            left?.Take(read, path);
            to.Write(buffer, 0, read);
        }
        return file;
    }

    static string? Kind(string path) => new[] { ".zip", ".tar", ".tar.gz", ".tgz" }.FirstOrDefault(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    sealed class Budget(long most)
    {
        long _bytes;
        int _entries;

        public void Take(long bytes, string path)
        {
            if ((_bytes += bytes) > most) throw new TaktException(TaktError.TooLarge, $"'{path}' unpacks to more than {most:N0} bytes; raise max-size if that is meant");
        }

        public void Entry(string path)
        {
            if (++_entries > MostEntries) throw new TaktException(TaktError.TooLarge, $"'{path}' holds more than {MostEntries:N0} entries");
        }
    }

    /// <summary>Counts what comes out of the decompressor, headers and entries that are skipped included: they can be bombs as well.</summary>
    sealed class Counted(Stream inner, Budget left, string path) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = inner.Read(buffer, offset, count);
            left.Take(read, path);
            return read;
        }

        public override int Read(Span<byte> buffer)
        {
            var read = inner.Read(buffer);
            left.Take(read, path);
            return read;
        }

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
