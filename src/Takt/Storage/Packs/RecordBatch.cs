using System.Buffers;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Takt.Storage.Packs;

/// <summary>Some pieces of content on their way into a pack: hashed, looked up and compressed on one core while another reads or writes. Used once.</summary>
/// <param name="users">How many dispose of it; the last one gives its memory back.</param>
sealed class RecordBatch(int capacity, int users = 1) : IDisposable
{
    readonly List<Piece> _pieces = [];
    int _users = users;
    byte[]? _compressed;

    /// <summary>At least the capacity.</summary>
    public byte[] Buffer { get; } = ArrayPool<byte>.Shared.Rent(Math.Max(capacity, 1));

    public Span<Piece> Pieces => CollectionsMarshal.AsSpan(_pieces);

    /// <summary>Where a piece lies in the buffer, and once it is prepared what is to be stored of it.</summary>
    public struct Piece
    {
        public int Start, Length;
        public ContentId Id;
        public bool Known, Zstd;
        public int StoredStart, Stored;
        public UInt128 Checksum;
    }

    /// <param name="id">Where it is known by now; else it is hashed with the others.</param>
    public void Add(int start, int length, ContentId id = default) => _pieces.Add(new Piece { Start = start, Length = length, Id = id });

    /// <param name="known">Whether the store has it already; called from several threads.</param>
    public void Prepare(Func<ContentId, bool> known)
    {
        var compressedAt = 0;
        foreach (ref var piece in Pieces)
        {
            var content = Buffer.AsSpan(piece.Start, piece.Length);
            if (piece.Id == default) piece.Id = ContentId.Of(content);
            if (piece.Known = known(piece.Id)) continue;
            _compressed ??= ArrayPool<byte>.Shared.Rent(Buffer.Length);
            var compressed = Zstd.Mine.Compress(content, _compressed.AsSpan(compressedAt));
            (piece.Zstd, piece.StoredStart, piece.Stored) = compressed < 0 ? (false, piece.Start, piece.Length) : (true, compressedAt, compressed);
            if (piece.Zstd) compressedAt += compressed;
            piece.Checksum = XxHash128.HashToUInt128(Stored(piece));
        }
    }

    public ReadOnlySpan<byte> Stored(in Piece piece) => (piece.Zstd ? _compressed! : Buffer).AsSpan(piece.StoredStart, piece.Stored);

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) > 0) return;
        ArrayPool<byte>.Shared.Return(Buffer);
        if (_compressed is not null) ArrayPool<byte>.Shared.Return(_compressed);
    }
}
