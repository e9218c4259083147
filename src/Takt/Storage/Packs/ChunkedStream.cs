namespace Takt.Storage.Packs;

/// <summary>A file made of chunks, read and sought as one. One chunk and one part of the list in memory.</summary>
sealed class ChunkedStream : Stream
{
    readonly BlobReader _reader;
    readonly ChunkList _list;
    readonly long[] _ends;
    ChunkList? _part;
    long[] _partEnds = [];
    int _partAt = -1;
    byte[] _chunk = [];
    long _chunkStart;
    int _chunkLength;
    long _at;

    public ChunkedStream(BlobReader reader, ChunkList list)
    {
        (_reader, _list, _ends) = (reader, list, Ends(list));
        if (!list.OfLists) (_part, _partEnds, _partAt) = (list, _ends, 0);
    }

    public override bool CanRead => true;
    public override bool CanSeek => true;
    public override bool CanWrite => false;
    public override long Length => _list.Length;

    public override long Position
    {
        get => _at;
        set => _at = value >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(value));
    }

    public override int Read(Span<byte> buffer)
    {
        if (_at >= Length || buffer.Length == 0) return 0;
        if (_at < _chunkStart || _at >= _chunkStart + _chunkLength) Load();
        var from = (int)(_at - _chunkStart);
        var count = Math.Min(buffer.Length, _chunkLength - from);
        _chunk.AsSpan(from, count).CopyTo(buffer);
        _at += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Read(buffer.Span));
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = origin switch { SeekOrigin.Begin => offset, SeekOrigin.Current => _at + offset, _ => Length + offset };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    void Load()
    {
        long start = 0;
        if (_list.OfLists)
        {
            var part = First(_ends, _at);
            if (part != _partAt)
            {
                _part = _reader.Part(_list.Items[part].Id);
                (_partAt, _partEnds) = (part, Ends(_part));
            }
            start = part == 0 ? 0 : _ends[part - 1];
        }
        var chunk = First(_partEnds, _at - start);
        var (id, length) = _part!.Items[chunk];
        if (_chunk.Length < length) _chunk = new byte[length];
        _chunkLength = 0;
        _reader.Read(id, _chunk.AsSpan(0, (int)length));
        (_chunkStart, _chunkLength) = (start + _partEnds[chunk] - length, (int)length);
    }

    // the first that ends behind the place
    static int First(long[] ends, long at)
    {
        var found = Array.BinarySearch(ends, at);
        if (found < 0) return ~found;
        while (found < ends.Length && ends[found] <= at) found++;
        return found;
    }

    static long[] Ends(ChunkList list)
    {
        var ends = new long[list.Items.Count];
        long end = 0;
        for (var i = 0; i < ends.Length; i++) ends[i] = end += list.Items[i].Length;
        return ends;
    }
}
