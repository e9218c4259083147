using System.Buffers.Binary;

namespace Takt.Storage.Packs;

/// <summary>
/// The chunks of a file larger than one, in order. Long lists are cut by content into lists of their own, about 1,024 chunks each, so that a line appended
/// to 50 GB stores a few KiB of list and not 8 MiB.
/// </summary>
sealed class ChunkList
{
    const int HeadSize = 16, ItemSize = 40;
    const int CutMask = 1023, MostItems = 4096;

    readonly List<(ContentId Id, long Length)> _items = [];

    ChunkList(bool ofLists) => OfLists = ofLists;

    public ChunkList() : this(false)
    {
    }

    /// <summary>The items are ids of lists, each stored as bytes, rather than of chunks.</summary>
    public bool OfLists { get; }

    /// <summary>Of the whole file, in bytes.</summary>
    public long Length { get; private set; }

    public IReadOnlyList<(ContentId Id, long Length)> Items => _items;

    public void Add(ContentId id, long length)
    {
        _items.Add((id, length));
        Length += length;
    }

    /// <summary>The list to store under the file's id; the lists it is made of, if any, are stored by <paramref name="store"/>.</summary>
    public ChunkList Cut(Func<byte[], ContentId> store)
    {
        var parts = new List<ChunkList>();
        var part = new ChunkList();
        foreach (var (id, length) in _items)
        {
            part.Add(id, length);
            if ((id.D & CutMask) != 0 && part._items.Count < MostItems) continue;
            parts.Add(part);
            part = new ChunkList();
        }
        if (part._items.Count > 0) parts.Add(part);
        if (parts.Count <= 1) return this;
        var whole = new ChunkList(ofLists: true);
        foreach (var one in parts) whole.Add(store(one.Bytes()), one.Length);
        return whole;
    }

    public byte[] Bytes()
    {
        var bytes = new byte[HeadSize + (_items.Count * ItemSize)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), _items.Count);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), OfLists ? 1 : 0);
        for (var i = 0; i < _items.Count; i++)
        {
            _items[i].Id.Write(bytes.AsSpan(HeadSize + (i * ItemSize)));
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(HeadSize + (i * ItemSize) + ContentId.Size), _items[i].Length);
        }
        return bytes;
    }

    /// <exception cref="TaktException">Invalid: damaged.</exception>
    public static ChunkList Parse(ReadOnlySpan<byte> bytes, ContentId id)
    {
        if (bytes.Length < HeadSize || BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) is var count && bytes.Length != HeadSize + ((long)count * ItemSize)) throw Damaged(id);
        var list = new ChunkList(BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]) == 1);
        for (var i = 0; i < count; i++)
        {
            var item = bytes[(HeadSize + (i * ItemSize))..];
            var length = BinaryPrimitives.ReadInt64LittleEndian(item[ContentId.Size..]);
            if (length < 0) throw Damaged(id);
            list.Add(ContentId.Read(item), length);
        }
        return list.Length == BinaryPrimitives.ReadInt64LittleEndian(bytes) ? list : throw Damaged(id);
    }

    static TaktException Damaged(ContentId id) => TaktException.Invalid($"the list of chunks of {id} is damaged; 'takt data verify' lists all damage");
}
