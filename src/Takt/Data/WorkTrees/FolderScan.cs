using System.IO.Enumeration;
using System.Text;
using Takt.Storage;

namespace Takt.Data.WorkTrees;

/// <summary>The files and links below a folder in the order of their paths' UTF-8 bytes. One folder's names in memory at a time; links are not followed, empty folders not told.</summary>
static class FolderScan
{
    static readonly EnumerationOptions s_all = new() { AttributesToSkip = 0, RecurseSubdirectories = false, ReturnSpecialDirectories = false, IgnoreInaccessible = false };

    /// <param name="leftover">Told each path that a checkout which was killed has left in flight; such names are never files of the data.</param>
    /// <param name="ignored">Told each path within the folder, and whether it is one itself: true leaves it out with all below.</param>
    public static IEnumerable<FoundFile> Files(string folder, string prefix = "", Action<string>? leftover = null, Func<string, bool, bool>? ignored = null)
    {
        var names = new FileSystemEnumerable<(string Name, bool Folder)>(folder, (ref FileSystemEntry entry) => (entry.FileName.ToString(), entry.IsDirectory), s_all).ToArray();
        for (var i = 0; i < names.Length; i++)
            if (names[i].Folder && new DirectoryInfo(Path.Combine(folder, names[i].Name)).LinkTarget is not null) names[i].Folder = false;
        Array.Sort(names, PathOrder.Compare);
        foreach (var (name, isFolder) in names)
        {
            if (InFlight.Is(name))
            {
                if (leftover is not null && InFlight.IsDead(name)) leftover($"{folder}/{name}");
                continue;
            }
            if (ignored?.Invoke(prefix + name, isFolder) == true) continue;
            var full = folder + "/" + name;
            if (name.Contains('\uFFFD') && FileStat.OfLink(full) is null) throw TaktException.Invalid($"the name of '{full}' is not UTF-8; rename it");
            if (isFolder)
                foreach (var file in Files(full, $"{prefix}{name}/", leftover, ignored)) yield return file;
            else if (FileStat.OfLink(full) is { } stat) yield return new FoundFile(Encoding.UTF8.GetBytes(prefix + name), full, stat);
        }
    }
}
