using System.Text;
using Takt.Storage;

namespace Takt.Data.WorkTrees;

/// <summary>Which files of a tracked folder were checked out, when not all were (<c>--only</c>): the others are not there, and not removed either.</summary>
/// <param name="Chosen">Paths and globs.</param>
sealed record PartOfFolder(IReadOnlyList<string> Chosen)
{
    /// <returns>Null: the folder is meant to be whole.</returns>
    public static PartOfFolder? Read(string file) => File.Exists(file) ? new(File.ReadAllText(file).Split('\0', StringSplitOptions.RemoveEmptyEntries)) : null;

    public static void Forget(string file)
    {
        if (File.Exists(file)) File.Delete(file);
    }

    public bool Holds(byte[] path) => Encoding.UTF8.GetString(path) is var text && Chosen.Any(only => WorkTree.IsChosen(only, text));

    public PartOfFolder And(string only) => Chosen.Contains(only) ? this : new([.. Chosen, only]);

    public void Write(string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        Files.WriteAtomically(file, string.Concat(Chosen.Select(only => only + '\0')));
    }
}
