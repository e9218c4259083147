using System.Globalization;
using Takt.Storage.Packs;

namespace Takt.Data.WorkTrees;

/// <summary>A folder or file of the work tree whose versions are in the store, as its pointer <c>PATH.takt</c> says.</summary>
/// <param name="Path">Relative to the root, with <c>/</c>, none at its end.</param>
/// <param name="IsFolder">False: one file, and its pointer is a git-lfs pointer.</param>
/// <param name="Content">Of the tree's root, or of the file.</param>
/// <param name="Dataset">Null for a file, whose pointer does not say.</param>
/// <param name="Bytes">In all.</param>
public sealed record TrackedPath(string Path, bool IsFolder, ContentId Content, string? Dataset, Digest? Commit, long Bytes)
{
    const string LfsVersion = "version https://git-lfs.github.com/spec/v1";

    /// <summary>A single file's pointer, byte for byte as git-lfs writes it.</summary>
    public static string LfsPointer(ContentId file, long size) => $"{LfsVersion}\noid sha256:{file.Digest.Hex}\nsize {size.ToString(CultureInfo.InvariantCulture)}\n";

    public static TrackedPath Folder(string path, DatasetCommit version) => new(path, true, ContentId.From(version.Tree), version.Dataset, version.Id, version.Bytes);

    /// <param name="pointer">Absolute path of the <c>.takt</c> file.</param>
    /// <exception cref="TaktException">NotFound. Invalid: not a pointer.</exception>
    public static TrackedPath Read(string root, string pointer)
    {
        var path = System.IO.Path.GetRelativePath(root, pointer)[..^".takt".Length].Replace('\\', '/');
        if (!File.Exists(pointer)) throw TaktException.NotFound($"no pointer '{pointer}'; 'takt data add {path}' makes it");
        var lines = File.ReadLines(pointer).Take(12).ToList();
        if (lines.Count == 0 || lines[0] != LfsVersion)
        {
            var version = DatasetPointer.Read(pointer);
            return new(path, true, ContentId.From(version.Tree), version.Dataset, version.Commit, version.Bytes);
        }
        if (lines.Count < 3 || !lines[1].StartsWith("oid ", StringComparison.Ordinal) || !Digest.TryParse(lines[1][4..], out var id)
            || !lines[2].StartsWith("size ", StringComparison.Ordinal) || !long.TryParse(lines[2][5..], NumberStyles.None, CultureInfo.InvariantCulture, out var size))
            throw TaktException.Invalid($"'{pointer}' is not a git-lfs pointer: it needs the lines version, oid sha256:… and size");
        return new(path, false, ContentId.From(id), null, null, size);
    }
}
