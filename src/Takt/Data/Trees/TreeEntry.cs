using Takt.Storage.Packs;

namespace Takt.Data.Trees;

/// <summary>One file of a tree.</summary>
/// <param name="Path">UTF-8.</param>
readonly record struct TreeEntry(byte[] Path, TreeFileMode Mode, long Size, ContentId Id)
{
    public bool SameContent(in TreeEntry other) => Id == other.Id && Mode == other.Mode;

    public static int Compare(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => a.SequenceCompareTo(b);

    public TreeFile File => new(System.Text.Encoding.UTF8.GetString(Path), Id.Digest, Size, Mode);

    public static TreeEntry Of(TreeFile file) => new(System.Text.Encoding.UTF8.GetBytes(file.Path), file.Mode, file.Size, ContentId.From(file.Digest));
}
