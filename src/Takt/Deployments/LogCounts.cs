using System.IO.MemoryMappedFiles;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>
/// How many predictions a log has taken, and how many of those are on the disk or counted as dropped, in a mapped file: the system keeps its page when the process is killed, so that the next one knows what was lost.
/// </summary>
/// <remarks>Three i64, little-endian: taken, settled, lost. <see cref="Take"/> and <see cref="Settle"/> are called by one thread at a time each.</remarks>
sealed class LogCounts : IDisposable
{
    const int Taken = 0, Settled = 8, LostBefore = 16, Bytes = 24;

    readonly MemoryMappedFile _file;
    readonly MemoryMappedViewAccessor _view;
    long _taken, _settled;

    /// <exception cref="TaktException">Unavailable: the disk is full.</exception>
    public LogCounts(string path)
    {
        Allocate(path);
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, null, Bytes, MemoryMappedFileAccess.ReadWrite);
        _view = _file.CreateViewAccessor(0, Bytes);
        Lost = Math.Max(0, _view.ReadInt64(LostBefore)) + Math.Max(0, _view.ReadInt64(Taken) - _view.ReadInt64(Settled));
        // in this order: whenever it is killed, nothing is counted as lost twice or forgotten for more than this moment
        _view.Write(LostBefore, Lost);
        _view.Write(Taken, 0L);
        _view.Write(Settled, 0L);
    }

    /// <summary>Of all processes before this one.</summary>
    public long Lost { get; }

    public void Take(long rows) => _view.Write(Taken, _taken += rows);

    public void Settle(long rows) => _view.Write(Settled, _settled += rows);

    // not a hole: the system ends a process that writes into one by way of its mapping while the disk is full
    static void Allocate(string path)
    {
        using var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        var length = (int)Math.Min(RandomAccess.GetLength(file), Bytes);
        if (length == Bytes) return;
        try
        {
            RandomAccess.Write(file, new byte[Bytes - length], length);
        }
        catch (IOException e) when (StorageFaults.Of(e, path) is { } known)
        {
            throw known;
        }
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }
}
