using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace Takt.Storage.Packs;

/// <summary>
/// One large file into the store, in chunks. A thread reads and finds the cuts, another one makes the hash of the whole; the hashes of the chunks and compression are the pool's, and
/// the caller writes. Used once.
/// </summary>
/// <remarks>
/// Of a new version, what comes before the first change is compared on all cores and not hashed: the hash goes on from there. Behind it the hash of the whole, one core's work,
/// is all that takes time; the chunks of the earlier version are told again by their MACs beside it.
/// </remarks>
/// <param name="like">An earlier version of the file, if there is one.</param>
/// <param name="memory">Null: nothing is remembered.</param>
sealed class ChunkedIntake(StoreWriter writer, Chunker chunker, SafeFileHandle file, ContentId like, HashStates? memory) : IDisposable
{
    const int BatchesAhead = 6, MostComparing = 8;

    readonly CancellationTokenSource _stop = new();
    readonly BlockingCollection<(RecordBatch Batch, Task Prepared)> _batches = new(BatchesAhead);
    readonly BlockingCollection<(RecordBatch Batch, int Length)> _toHash = new(BatchesAhead);
    readonly ChunkList _list = new();

    // of the earlier version: its chunks, and what is known of its hashes; empty when the one or the other is not there
    IReadOnlyList<(ContentId Id, long Length)> _earlier = [];
    List<UInt128> _earlierMacs = [];

    FileHashes? _hashes; // of the new one

    /// <inheritdoc cref="FileIntake{T}.Hashed"/>
    public long Hashed { get; private set; }

    /// <inheritdoc cref="HashStates.Least"/>
    public required long LeastRemembered { get; init; }

    /// <returns>The file's id: it is stored under it.</returns>
    public ContentId Take()
    {
        var (first, start, state) = Begin();
        var (cutting, hashing) = (OnThread(() => Cut(first, start)), OnThread(() => Hash(start, state)));
        try
        {
            foreach (var (batch, prepared) in _batches.GetConsumingEnumerable())
            {
                prepared.GetAwaiter().GetResult();
                writer.Add(batch);
                foreach (ref readonly var piece in batch.Pieces)
                {
                    _list.Add(piece.Id, piece.Length);
                    WorkProgress.Done(0, piece.Length);
                }
                batch.Dispose();
            }
            Task.WhenAll(hashing, cutting).GetAwaiter().GetResult();
        }
        finally
        {
            _stop.Cancel(); // both have ended, but when something failed here
            Task.WhenAll(hashing, cutting).ContinueWith(static _ => { }, TaskScheduler.Default).GetAwaiter().GetResult(); // they use the file
        }
        var id = hashing.GetAwaiter().GetResult();
        if (_hashes is not null && _list.Length >= LeastRemembered) memory!.Write(id, _hashes, like);
        if (_list.Items.Count == 1) return id; // shrunk meanwhile
        writer.Add(id, RecordKind.ChunkList, _list.Cut(part => writer.Add(part)).Bytes());
        return id;
    }

    // takes what of the earlier version is still there, up to the last state of its hash before the first change; the rest is cut from there, and the hash goes on from STATE
    (int Chunk, long Start, byte[]? State) Begin()
    {
        if (memory is null || !ChunkMac.IsSupported) return default;
        if (like != default && memory.Read(like) is { } known && writer.ChunksOf(like) is var earlier && earlier.Count == known.Macs.Count && earlier.All(chunk => chunk.Length <= chunker.Max))
            (_earlier, _earlierMacs, _hashes) = (earlier, known.Macs, new(known.Key, [], []));
        else
        {
            _hashes = new(ChunkMac.NewKey(), [], []);
            return default;
        }
        if (known.States.Count == 0) return default;
        var (chunk, at, end) = (0, 0L, FirstChanged(out var compared));
        foreach (var (place, state) in known.States)
        {
            var (to, next) = (chunk, at);
            while (to < end && next < place) next += _earlier[to++].Length;
            if (next != place) break;
            for (; chunk < to; chunk++) _list.Add(_earlier[chunk].Id, _earlier[chunk].Length);
            at = next;
            _hashes.States.Add((place, state));
        }
        _hashes.Macs.AddRange(_earlierMacs.Take(chunk));
        WorkProgress.Done(0, at - compared);
        return (chunk, at, at == 0 ? null : _hashes.States[^1].State);
    }

    // of the earlier version's chunks the first that the file no longer has at its place, or that the store has lost; the last one at most, which the end of the file cut
    int FirstChanged(out long compared)
    {
        var starts = new long[_earlier.Count];
        for (var i = 1; i < starts.Length; i++) starts[i] = starts[i - 1] + _earlier[i - 1].Length;
        var (taken, first) = (-1, _earlier.Count - 1);
        compared = Task.WhenAll(Enumerable.Range(0, Math.Min(Environment.ProcessorCount, MostComparing)).Select(_ => OnThread(Compare))).GetAwaiter().GetResult().Sum();
        return first;

        long Compare()
        {
            using var mac = new ChunkMac(_hashes!.Key);
            var buffer = ArrayPool<byte>.Shared.Rent(chunker.Max);
            long same = 0;
            for (int chunk; (chunk = Interlocked.Increment(ref taken)) < Volatile.Read(ref first);)
            {
                var content = buffer.AsSpan(0, (int)_earlier[chunk].Length);
                if (Fill(content, starts[chunk]) == content.Length && mac.Of(content) == _earlierMacs[chunk] && writer.Known(_earlier[chunk].Id))
                {
                    same += content.Length;
                    WorkProgress.Done(0, content.Length);
                    continue;
                }
                for (int seen; chunk < (seen = Volatile.Read(ref first));) Interlocked.CompareExchange(ref first, chunk, seen);
            }
            ArrayPool<byte>.Shared.Return(buffer);
            return same;
        }
    }

    // what follows a cut alone decides where the next one is: where a chunk of the earlier version ends one of this one may end as well, and what follows is the same until it differs
    bool Cut(int expected, long at)
    {
        using var mac = _hashes is null ? null : new ChunkMac(_hashes.Key);
        var places = new Dictionary<UInt128, int>(_earlierMacs.Count);
        for (var i = 0; i < _earlierMacs.Count; i++) places[_earlierMacs[i]] = i;
        try
        {
            var size = 4 * chunker.Max;
            var (batch, length) = (new RecordBatch(size, users: 2), 0);
            for (var end = false; !end;)
            {
                var got = Fill(batch.Buffer.AsSpan(length, size - length), at);
                (length, at) = (length + got, at + got);
                end = length < size;
                var cut = 0;
                while (length - cut >= chunker.Max || (end && cut < length))
                {
                    var rest = batch.Buffer.AsSpan(cut, Math.Min(length - cut, chunker.Max));
                    var (chunk, sum, place) = (0, default(UInt128), -1);
                    if (expected < _earlier.Count - 1 && _earlier[expected].Length <= rest.Length && mac!.Of(rest[..(int)_earlier[expected].Length]) == _earlierMacs[expected])
                        (chunk, sum, place) = ((int)_earlier[expected].Length, _earlierMacs[expected], expected);
                    else
                    {
                        chunk = chunker.Cut(rest);
                        sum = mac?.Of(rest[..chunk]) ?? default;
                        place = places.GetValueOrDefault(sum, -1);
                    }
                    expected = place < 0 ? int.MaxValue : place + 1;
                    batch.Add(cut, chunk, place < 0 ? default : _earlier[place].Id);
                    _hashes?.Macs.Add(sum);
                    cut += chunk;
                }
                var full = batch;
                if (!end)
                {
                    batch = new RecordBatch(size, users: 2);
                    full.Buffer.AsSpan(cut, length - cut).CopyTo(batch.Buffer);
                    length -= cut;
                }
                _toHash.Add((full, cut), _stop.Token);
                _batches.Add((full, Task.Run(() => full.Prepare(writer.Known))), _stop.Token);
            }
            return true;
        }
        finally
        {
            _toHash.CompleteAdding();
            _batches.CompleteAdding();
        }
    }

    ContentId Hash(long at, byte[]? state)
    {
        using var hash = new ResumableSha256(state);
        try
        {
            foreach (var (batch, length) in _toHash.GetConsumingEnumerable(_stop.Token))
            {
                hash.Append(batch.Buffer.AsSpan(0, length));
                batch.Dispose();
                at += length;
                Hashed += length;
                if (_hashes is not null && _hashes.States.Count < HashStates.Most && hash.State() is { } here) _hashes.States.Add((at, here));
            }
            return hash.Finish();
        }
        catch
        {
            _stop.Cancel(); // nobody takes any more
            throw;
        }
    }

    static Task<T> OnThread<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    // bytes read: fewer than there is room for at the end of the file only
    int Fill(Span<byte> room, long from)
    {
        var read = 0;
        for (int got; read < room.Length && (got = RandomAccess.Read(file, room[read..], from + read)) > 0;) read += got;
        return read;
    }

    public void Dispose()
    {
        _batches.Dispose();
        _toHash.Dispose();
        _stop.Dispose();
    }
}
