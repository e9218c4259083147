using System.Runtime.InteropServices;
using System.Text;

namespace Takt.Storage.Packs;

/// <summary>
/// Files into the store, in the order they are given. One core reads and hashes what comes next while the other writes what came before; memory is bounded
/// whatever the number and size of the files. Not safe for concurrent use.
/// </summary>
/// <param name="taken">Told of each file, in order, on the caller's thread.</param>
/// <param name="hashStates">A folder that remembers what the hashes of large files have come to, which makes new versions of them cheap. Null: nothing is remembered.</param>
public sealed class FileIntake<T>(StoreWriter writer, Action<T, TakenFile> taken, string? hashStates = null)
{
    const int SmallBatch = 1 << 20, MostInBatch = 512, BatchesAhead = 6, Attempts = 3;

    /// <summary>Endings of model weights: kept whole so that serving can map them.</summary>
    static readonly string[] WeightEndings = [".safetensors", ".gguf", ".ggml", ".onnx", ".pt", ".pth", ".ckpt", ".h5", ".keras", ".tflite"];

    /// <summary>Whether a file of this name is kept whole.</summary>
    internal static bool IsWeight(string name, long size, StoreConfig config) => size >= config.LooseFrom && WeightEndings.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase);

    readonly Chunker _chunker = writer.Config.Chunker();
    readonly HashStates? _states = hashStates is null ? null : new HashStates(hashStates);
    readonly Queue<(Task<SmallFiles>? Small, (string Path, T Tag, ContentId Like)? Large)> _ahead = new();
    readonly List<string> _faults = [];
    SmallFiles? _filling;

    const int MostFaultsShown = 20;

    sealed class SmallFiles
    {
        public readonly List<(string? Path, FileStat Stat, T Tag, string? Fault, ContentId Known)> Files = [];
        public int Bytes;
        public long ReadAt;
        public RecordBatch? Batch;
    }

    /// <summary>Bytes of large files that went through the hash of the whole; those before the first change of a known version need not.</summary>
    internal long Hashed { get; private set; }

    /// <inheritdoc cref="HashStates.Least"/>
    internal long LeastRemembered { get; init; } = HashStates.Least;

    /// <param name="like">An earlier version of the file, if there is one: where it has the same bytes, neither cuts need be looked for nor ids made.</param>
    public void Add(string path, in FileStat stat, T tag, ContentId like = default)
    {
        if (stat.Kind == FileKind.Other) { _faults.Add($"'{path}' is no file, folder or link (a socket, pipe or device); move it away"); return; }
        if (stat.Kind == FileKind.File && stat.Size > _chunker.Max)
        {
            Send();
            _ahead.Enqueue((null, (path, tag, like)));
        }
        else
        {
            _filling ??= new SmallFiles();
            _filling.Files.Add((path, stat, tag, null, default));
            _filling.Bytes += (int)Math.Max(stat.Size, stat.Kind == FileKind.Link ? 4096 : 0) + 1;
            if (_filling.Bytes >= SmallBatch || _filling.Files.Count >= MostInBatch) Send();
        }
        while (_ahead.Count > BatchesAhead) TakeNext();
    }

    /// <summary>A file that need not be read: it is told in its turn.</summary>
    public void Skip(T tag, TakenFile known)
    {
        _filling ??= new SmallFiles();
        _filling.Files.Add((null, known.Stat, tag, null, known.Id));
        if (_filling.Files.Count >= MostInBatch) Send();
        while (_ahead.Count > BatchesAhead) TakeNext();
    }

    static long Now() => (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;

    /// <exception cref="TaktException">NotFound, Denied or Unavailable: files that can't be read or do not stop changing, all of them named.</exception>
    public void Finish()
    {
        Send();
        while (_ahead.Count > 0) TakeNext();
        if (_faults.Count == 0) return;
        throw new TaktException(TaktError.Unavailable, _faults.Count <= MostFaultsShown ? _faults : [.. _faults.Take(MostFaultsShown), $"and {_faults.Count - MostFaultsShown:N0} more"]);
    }

    void Send()
    {
        if (_filling is not { } batch) return;
        _filling = null;
        _ahead.Enqueue((Task.Run(() => ReadAll(batch)), null));
    }

    void TakeNext()
    {
        var (small, large) = _ahead.Dequeue();
        if (large is { } file)
        {
            try
            {
                if (TakeLarge(file.Path, file.Like) is { } content) taken(file.Tag, content);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException && StorageFaults.Of(e, file.Path) is null or { Error: TaktError.Denied })
            {
                _faults.Add($"'{file.Path}' can't be read: {e.Message}");
            }
            return;
        }
        var batch = small!.GetAwaiter().GetResult();
        writer.Add(batch.Batch!);
        var at = 0;
        foreach (var (path, stat, tag, fault, known) in batch.Files)
        {
            WorkProgress.Done(1, stat.Size);
            if (path is null) taken(tag, new TakenFile(known, stat, null));
            else if (fault is not null) _faults.Add(fault);
            else taken(tag, new TakenFile(batch.Batch!.Pieces[at++].Id, stat, batch.ReadAt));
        }
        batch.Batch!.Dispose();
    }

    SmallFiles ReadAll(SmallFiles small)
    {
        var batch = small.Batch = new RecordBatch(small.Bytes);
        small.ReadAt = Now();
        var at = 0;
        for (var i = 0; i < small.Files.Count; i++)
        {
            var (path, stat, tag, _, _) = small.Files[i];
            if (path is null) continue;
            var room = (int)Math.Max(stat.Size, stat.Kind == FileKind.Link ? 4096 : 0) + 1;
            var fault = Read(path, ref stat, batch.Buffer.AsSpan(at, room), out var length);
            small.Files[i] = (path, stat, tag, fault, default);
            if (fault is not null) continue;
            batch.Add(at, length);
            at += length;
        }
        batch.Prepare(writer.Known);
        return small;
    }

    // a file that grows or shrinks while it is read is read again; what is stored is what it was at one moment, as far as its times tell
    static string? Read(string path, ref FileStat stat, Span<byte> buffer, out int length)
    {
        length = 0;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (stat.Kind == FileKind.Link)
            {
                if (new FileInfo(path).LinkTarget is not { } target) return Gone(path);
                length = Encoding.UTF8.GetBytes(target, buffer);
                return null;
            }
            length = FileBytes.Read(path, buffer);
            if (length < 0) return length == -2 ? Gone(path) : $"'{path}' can't be read ({Marshal.GetPInvokeErrorMessage(-length)})";
            if (FileStat.OfLink(path) is not { } after) return Gone(path);
            if (after == stat && length == stat.Size) return null;
            if (after.Kind != stat.Kind || after.Size >= buffer.Length) break;
            stat = after;
        }
        return Changing(path);
    }

    static string Gone(string path) => $"'{path}' vanished while it was read";

    static string Changing(string path) => $"'{path}' changes while it is read; stop what writes to it and try again";

    TakenFile? TakeLarge(string path, ContentId like)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var readAt = Now();
            if (FileStat.OfLink(path) is not { } before)
            {
                _faults.Add(Gone(path));
                return null;
            }
            var id = IsWeight(path, before.Size, writer.Config) ? TakeWhole(path) : TakeInChunks(path, like);
            if (FileStat.OfLink(path) == before)
            {
                WorkProgress.Done(1, 0);
                return new TakenFile(id, before, readAt);
            }
        }
        _faults.Add(Changing(path));
        return null;
    }

    ContentId TakeWhole(string path)
    {
        using var content = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        return ContentId.From(writer.AddLoose(content).GetAwaiter().GetResult().Id);
    }

    ContentId TakeInChunks(string path, ContentId like)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
        using var intake = new ChunkedIntake(writer, _chunker, file, like, _states) { LeastRemembered = LeastRemembered };
        var id = intake.Take();
        Hashed += intake.Hashed;
        return id;
    }
}
