using System.Runtime.InteropServices;

namespace Takt.Storage.Packs;

/// <summary>A small file at once, at the smallest cost.</summary>
static partial class FileBytes
{
    /// <summary>Bytes read, at most what fits; negative: errno.</summary>
    public static unsafe int Read(string path, Span<byte> buffer)
    {
        if (!OperatingSystem.IsLinux())
        {
            try
            {
                using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                var all = 0;
                for (int got; all < buffer.Length && (got = RandomAccess.Read(file, buffer[all..], all)) > 0;) all += got;
                return all;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return e is FileNotFoundException or DirectoryNotFoundException ? -2 : -13;
            }
        }
        // .NET's own way costs six system calls a file, this three
        const int ReadOnlyClosedOnExec = 0x80000; // O_RDONLY | O_CLOEXEC
        var fd = open(path, ReadOnlyClosedOnExec);
        if (fd < 0) return -Marshal.GetLastPInvokeError();
        var length = 0;
        fixed (byte* start = buffer)
        {
            while (length < buffer.Length)
            {
                var got = read(fd, start + length, buffer.Length - length);
                if (got < 0)
                {
                    length = -Marshal.GetLastPInvokeError();
                    break;
                }
                if (got == 0) break;
                length += (int)got;
            }
        }
        _ = close(fd);
        return length;
    }

    /// <summary>Makes a new file of the content. False: it could not be, and nothing is there; .NET's own way then says why.</summary>
    /// <param name="mode">Permissions, less the process's umask.</param>
    public static unsafe bool TryCreate(string path, ReadOnlySpan<byte> content, int mode)
    {
        if (!OperatingSystem.IsLinux()) return false;
        const int WriteOnlyNewClosedOnExec = 0x800C1; // O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        var fd = create(path, WriteOnlyNewClosedOnExec, mode);
        if (fd < 0) return false;
        var written = 0;
        fixed (byte* start = content)
            while (written < content.Length)
            {
                var put = write(fd, start + written, content.Length - written);
                if (put <= 0) break;
                written += (int)put;
            }
        var whole = close(fd) == 0 && written == content.Length;
        if (!whole) File.Delete(path);
        return whole;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int create(string path, int flags, int mode);

    [LibraryImport("libc")]
    private static unsafe partial nint write(int fd, byte* buffer, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint read(int fd, byte* buffer, nint length);

    [LibraryImport("libc")]
    private static partial int close(int fd);
}
