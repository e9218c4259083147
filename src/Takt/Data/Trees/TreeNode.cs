using System.Buffers.Binary;
using System.IO.Hashing;
using Takt.Storage.Packs;

namespace Takt.Data.Trees;

/// <summary>The bytes of a tree's nodes, docs/formats.md: leaves hold files, branches hold nodes, both in the order of their paths' bytes.</summary>
static class TreeNode
{
    /// <summary>A leaf ends behind a path whose hash has these bits 0 (one in 4,096), or when it is full.</summary>
    const ulong LeafMask = 4095;

    /// <summary>Likewise a branch, one in 256: a changed file rewrites one leaf, about 280 KiB, and parents of 15 KiB.</summary>
    const ulong BranchMask = 255;

    const int MostFiles = 16_384, MostNodes = 1_024;
    const int LongestPath = 1 << 16;

    static ReadOnlySpan<byte> LeafMagic => "TAKTLEAF"u8;
    static ReadOnlySpan<byte> BranchMagic => "TAKTNODE"u8;

    public static bool EndsLeaf(ReadOnlySpan<byte> path, int files) => (XxHash64.HashToUInt64(path) & LeafMask) == 0 || files >= MostFiles;

    /// <param name="level">1 above the leaves, 2 above that.</param>
    public static bool EndsBranch(ReadOnlySpan<byte> last, int nodes, int level) => ((XxHash64.HashToUInt64(last) >> (4 + (8 * level))) & BranchMask) == 0 || nodes >= MostNodes;

    public static bool IsLeaf(ReadOnlySpan<byte> node) => node.StartsWith(LeafMagic);

    public static byte[] Leaf(List<TreeEntry> files)
    {
        var node = new MemoryStream(64 + (files.Count * 64));
        Head(node, LeafMagic, 0, files.Count);
        Span<byte> id = stackalloc byte[ContentId.Size];
        byte[] before = [];
        foreach (var file in files)
        {
            Path(node, before, file.Path);
            node.WriteByte((byte)file.Mode);
            Number(node, (ulong)file.Size);
            file.Id.Write(id);
            node.Write(id);
            before = file.Path;
        }
        return node.ToArray();
    }

    public static byte[] Branch(List<TreeNodeRef> nodes, int level)
    {
        var node = new MemoryStream(64 + (nodes.Count * 64));
        Head(node, BranchMagic, level, nodes.Count);
        Span<byte> id = stackalloc byte[ContentId.Size];
        byte[] before = [];
        foreach (var child in nodes)
        {
            Path(node, before, child.Last);
            Number(node, (ulong)child.Files);
            Number(node, (ulong)child.Bytes);
            child.Id.Write(id);
            node.Write(id);
            before = child.Last;
        }
        return node.ToArray();
    }

    /// <exception cref="TaktException">Invalid: damaged.</exception>
    public static List<TreeEntry> Files(ReadOnlySpan<byte> node, ContentId id)
    {
        try
        {
            if (!IsLeaf(node)) throw Damaged(id);
            var files = new List<TreeEntry>(Math.Min(BinaryPrimitives.ReadInt32LittleEndian(node[12..]), MostFiles));
            var (count, at) = (BinaryPrimitives.ReadInt32LittleEndian(node[12..]), 16);
            byte[] before = [];
            for (var i = 0; i < count; i++)
            {
                before = Path(node, ref at, before);
                var mode = (TreeFileMode)node[at++];
                var size = (long)Number(node, ref at);
                files.Add(new TreeEntry(before, mode, size, ContentId.Read(node[at..])));
                at += ContentId.Size;
            }
            return at == node.Length ? files : throw Damaged(id);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or OverflowException)
        {
            throw Damaged(id);
        }
    }

    /// <summary>The nodes below a branch and the level it stands on.</summary>
    /// <exception cref="TaktException">Invalid: damaged.</exception>
    public static (List<TreeNodeRef> Nodes, int Level) Nodes(ReadOnlySpan<byte> node, ContentId id)
    {
        try
        {
            if (!node.StartsWith(BranchMagic)) throw Damaged(id);
            var level = BinaryPrimitives.ReadInt32LittleEndian(node[8..]);
            var (count, at) = (BinaryPrimitives.ReadInt32LittleEndian(node[12..]), 16);
            var nodes = new List<TreeNodeRef>();
            byte[] before = [];
            for (var i = 0; i < count; i++)
            {
                before = Path(node, ref at, before);
                var (files, bytes) = ((long)Number(node, ref at), (long)Number(node, ref at));
                nodes.Add(new TreeNodeRef(before, files, bytes, ContentId.Read(node[at..])));
                at += ContentId.Size;
            }
            return at == node.Length && level is > 0 and < 64 ? (nodes, level) : throw Damaged(id);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or OverflowException)
        {
            throw Damaged(id);
        }
    }

    static void Head(MemoryStream node, ReadOnlySpan<byte> magic, int level, int count)
    {
        node.Write(magic);
        Span<byte> numbers = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(numbers, level);
        BinaryPrimitives.WriteInt32LittleEndian(numbers[4..], count);
        node.Write(numbers);
    }

    static void Path(MemoryStream node, ReadOnlySpan<byte> before, ReadOnlySpan<byte> path)
    {
        var shared = before.CommonPrefixLength(path);
        Number(node, (ulong)shared);
        Number(node, (ulong)(path.Length - shared));
        node.Write(path[shared..]);
    }

    static byte[] Path(ReadOnlySpan<byte> node, ref int at, byte[] before)
    {
        var (shared, rest) = (checked((int)Number(node, ref at)), checked((int)Number(node, ref at)));
        if (shared > before.Length || rest > LongestPath) throw new ArgumentOutOfRangeException(nameof(node));
        var path = new byte[shared + rest];
        before.AsSpan(0, shared).CopyTo(path);
        node.Slice(at, rest).CopyTo(path.AsSpan(shared));
        at += rest;
        return path;
    }

    // seven bits a byte, the lowest first, the eighth says that more follow
    static void Number(MemoryStream node, ulong number)
    {
        for (; number >= 128; number >>= 7) node.WriteByte((byte)(number | 128));
        node.WriteByte((byte)number);
    }

    static ulong Number(ReadOnlySpan<byte> node, ref int at)
    {
        ulong number = 0;
        for (var shift = 0; ; shift += 7)
        {
            if (shift > 63) throw new OverflowException();
            var b = node[at++];
            number |= (ulong)(b & 127) << shift;
            if (b < 128) return number;
        }
    }

    static TaktException Damaged(ContentId id) => TaktException.Invalid($"the tree node {id} is damaged; 'takt data verify' lists all damage");
}
