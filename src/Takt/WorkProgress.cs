namespace Takt;

/// <summary>How far a long piece of work is. Work tells it, by the static methods, whether or not somebody watches.</summary>
/// <remarks>Whoever watches is found by the flow of the call, also in its tasks, so that no layer between has to pass it on. All members are safe for concurrent use.</remarks>
public sealed class WorkProgress
{
    static readonly AsyncLocal<WorkProgress?> Watcher = new();

    long _files, _bytes, _filesToDo, _bytesToDo;

    public long Files => Interlocked.Read(ref _files);

    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>0 while it is not known.</summary>
    public long FilesToDo => Interlocked.Read(ref _filesToDo);

    /// <summary>0 while it is not known.</summary>
    public long BytesToDo => Interlocked.Read(ref _bytesToDo);

    /// <summary>From here on, what this flow of calls does is told to the result; null: to nobody.</summary>
    public static void Watch(WorkProgress? watcher) => Watcher.Value = watcher;

    public static void Done(long files, long bytes)
    {
        if (Watcher.Value is not { } progress) return;
        Interlocked.Add(ref progress._files, files);
        Interlocked.Add(ref progress._bytes, bytes);
    }

    /// <summary>More has been found that is to be done.</summary>
    public static void ToDo(long files, long bytes)
    {
        if (Watcher.Value is not { } progress) return;
        Interlocked.Add(ref progress._filesToDo, files);
        Interlocked.Add(ref progress._bytesToDo, bytes);
    }
}
