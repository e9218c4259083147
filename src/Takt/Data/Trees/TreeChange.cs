namespace Takt.Data.Trees;

/// <summary>A path in which two trees differ: added, removed or changed.</summary>
readonly record struct TreeChange(TreeEntry? Before, TreeEntry? After)
{
    public byte[] Path => (After ?? Before)!.Value.Path;
}
