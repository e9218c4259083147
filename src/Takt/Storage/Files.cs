using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Takt.Storage;

/// <summary>Writing files so that no reader, and no crash, ever sees half of one.</summary>
public static partial class Files
{
    /// <summary>tmp + fsync + rename + fsync of the folder. On return the new content survives power loss.</summary>
    /// <exception cref="TaktException">Unavailable: the disk is full. Denied: the folder can't be written. The old content is still there.</exception>
    public static void WriteAtomically(string path, ReadOnlySpan<byte> content)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(folder);
        var tmp = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var file = new FileStream(tmp, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0))
                file.Write(content);
            Publish(tmp, path);
        }
        catch (Exception e)
        {
            File.Delete(tmp);
            if (StorageFaults.Of(e, path) is { } known) throw known;
            throw;
        }
    }

    public static void WriteAtomically(string path, string content) => WriteAtomically(path, Encoding.UTF8.GetBytes(content));

    /// <summary>Gives a finished file its name: fsync + rename + fsync of the folder. <paramref name="tmp"/> must lie on the same file system.</summary>
    public static void Publish(string tmp, string path)
    {
        Sync(tmp);
        File.Move(tmp, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Makes a file's content durable.</summary>
    public static void Sync(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Makes a folder, and its name durable.</summary>
    public static void CreateFolder(string folder)
    {
        if (Directory.Exists(folder)) return;
        var parent = Path.GetDirectoryName(Path.GetFullPath(folder))!;
        CreateFolder(parent);
        Directory.CreateDirectory(folder);
        SyncFolder(parent);
    }

    /// <summary>Makes renames and deletions in a folder durable. .NET opens no folder, so this asks the C library; nothing on Windows.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        const int ReadOnlyFolder = 0x10000; // O_RDONLY | O_DIRECTORY on Linux; macOS ignores the second
        var fd = open(folder, OperatingSystem.IsLinux() ? ReadOnlyFolder : 0);
        if (fd < 0) return;
        _ = fsync(fd);
        _ = close(fd);
    }

    /// <summary>Two existing folders (or files) of one file system trade names, in one step where the system can do that.</summary>
    public static void Exchange(string one, string other)
    {
        const int CurrentFolder = -100, Exchanging = 2; // AT_FDCWD, RENAME_EXCHANGE
        if (OperatingSystem.IsLinux() && renameat2(CurrentFolder, one, CurrentFolder, other, Exchanging) == 0) return;
        var aside = $"{other}.{Guid.NewGuid():N}.tmp";
        Directory.Move(other, aside);
        Directory.Move(one, other);
        Directory.Move(aside, one);
    }

    /// <summary>
    /// Writes <paramref name="length"/> bytes of one file into another within the system. A file system that can (XFS, Btrfs) lets both have the same blocks as long as
    /// <paramref name="at"/> is a multiple of theirs: nothing is copied then and no room is needed.
    /// </summary>
    /// <exception cref="IOException">The disk is full, or <paramref name="from"/> is shorter.</exception>
    public static void Append(SafeFileHandle from, SafeFileHandle to, long at, long length)
    {
        var done = 0L;
        if (OperatingSystem.IsLinux())
            for (long read = 0, written = at; done < length;)
            {
                var step = copy_file_range(from, ref read, to, ref written, (nint)Math.Min(length - done, 1 << 30), 0);
                if (step <= 0) break; // an old system, or two file systems; a full disk is told by what follows
                done += step;
            }
        var buffer = new byte[done == length ? 0 : 1 << 17];
        while (done < length)
        {
            var read = RandomAccess.Read(from, buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - done)), done);
            if (read == 0) throw new EndOfStreamException($"{length - done} bytes are missing");
            RandomAccess.Write(to, buffer.AsSpan(0, read), at + done);
            done += read;
        }
    }

    /// <summary>A second name for the same bytes; copies where the file system can't link.</summary>
    /// <exception cref="TaktException">Unavailable: the disk is full. Denied: the folder can't be written.</exception>
    public static void LinkOrCopy(string from, string to)
    {
        if (!OperatingSystem.IsWindows() && link(from, to) == 0) return;
        try
        {
            File.Copy(from, to, overwrite: true);
        }
        catch (Exception e) when (StorageFaults.Of(e, to) is { } known)
        {
            throw known;
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint copy_file_range(SafeFileHandle from, ref long at, SafeFileHandle to, ref long toAt, nint length, uint flags);

    [LibraryImport("libc")]
    private static partial int fsync(int fd);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string from, string to);
}
