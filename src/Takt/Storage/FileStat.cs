using System.Runtime.InteropServices;

namespace Takt.Storage;

/// <summary>What tells that a file is unchanged without reading it. Times in nanoseconds since 1970.</summary>
/// <param name="Size">In bytes.</param>
public readonly partial record struct FileStat(long Size, long ModifiedAt, long ChangedAt, long Inode, bool Executable)
{
    /// <summary>Null when there is no such file. Outside Linux, change time and inode are 0: modification time alone then decides.</summary>
    public static unsafe FileStat? Of(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            Statx found;
            const int CurrentFolder = -100; // AT_FDCWD
            const uint Basic = 0x7ff; // STATX_BASIC_STATS
            if (statx(CurrentFolder, path, 0, Basic, &found) != 0) return null;
            return new FileStat((long)found.Size, found.Modified.Nanoseconds, found.Changed.Nanoseconds, (long)found.Inode, (found.Mode & 0x49) != 0);
        }
        var file = new FileInfo(path);
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
