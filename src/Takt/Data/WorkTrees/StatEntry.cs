using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.WorkTrees;

/// <summary>What a file was when it was last read: as long as its stat is the same, so is its content.</summary>
readonly record struct StatEntry(byte[] Path, FileStat Stat, ContentId Id)
{
    public TreeFileMode Mode => Stat.Kind == FileKind.Link ? TreeFileMode.Link : Stat.Executable ? TreeFileMode.Executable : TreeFileMode.File;
}
