using System.Runtime.InteropServices;

namespace Takt.Storage;

/// <summary>What tells that a file is unchanged without reading it. Times in nanoseconds since 1970.</summary>
/// <param name="Size">In bytes.</param>
public readonly partial record struct FileStat(long Size, long ModifiedAt, long ChangedAt, long Inode, bool Executable)
{
    public FileKind Kind { get; init; }

    /// <summary>As <see cref="Of"/>, of a link itself and not of what it points to.</summary>
    public static FileStat? OfLink(string path) => Of(path, OperatingSystem.IsLinux() ? 0x100 : 0); // AT_SYMLINK_NOFOLLOW

    /// <summary>Null when there is no such file. Outside Linux, change time and inode are 0: modification time alone then decides.</summary>
    public static FileStat? Of(string path) => Of(path, 0);

    static unsafe FileStat? Of(string path, int flags)
    {
        if (OperatingSystem.IsLinux())
        {
            Statx found;
            const int CurrentFolder = -100; // AT_FDCWD
            const uint Basic = 0x7ff; // STATX_BASIC_STATS
            if (statx(CurrentFolder, path, flags, Basic, &found) != 0) return null;
            return new FileStat((long)found.Size, found.Modified.Nanoseconds, found.Changed.Nanoseconds, (long)found.Inode, (found.Mode & 0x49) != 0)
            {
                Kind = (found.Mode & 0xF000) switch { 0x8000 => FileKind.File, 0x4000 => FileKind.Folder, 0xA000 => FileKind.Link, _ => FileKind.Other },
            };
        }
        var file = new FileInfo(path);
        if (Directory.Exists(path)) return new FileStat(0, 0, 0, 0, false) { Kind = FileKind.Folder };
        if (!file.Exists) return null;
        return new FileStat(file.Length, (file.LastWriteTimeUtc - DateTime.UnixEpoch).Ticks * 100, 0, 0, false);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(int folder, string path, int flags, uint mask, Statx* found);

    /// <summary>struct statx of Linux, <c>linux/stat.h</c>: the fields up to the times, then room to spare.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    struct Statx
    {
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(96)] public Timestamp Changed;
        [FieldOffset(112)] public Timestamp Modified;
    }

    [StructLayout(LayoutKind.Explicit, Size = 16)]
    struct Timestamp
    {
        [FieldOffset(0)] public long Seconds;
        [FieldOffset(8)] public uint Fraction;

        public readonly long Nanoseconds => (Seconds * 1_000_000_000) + Fraction;
    }
}
