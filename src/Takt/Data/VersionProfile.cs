using Takt.Data.Trees;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>The profile that is kept with a version of files that were stored as they are: made of what is in the store, not of files that somebody may be writing to.</summary>
static class VersionProfile
{
    /// <summary>Of a version with more tables none is kept.</summary>
    public const int MostTables = 1000;

    /// <summary>Of larger tables none is kept: the statistics of these take seconds. In bytes.</summary>
    const long MostBytes = 256 << 20;

    /// <param name="scratch">A folder that is not there yet, on the file system of the store.</param>
    /// <param name="what">Whose tables, for the message.</param>
    /// <param name="doubtful">Told why there is none though there are tables, and that they are of several kinds.</param>
    /// <returns>Null: there is no table, or they are too many or too large, or no one table.</returns>
    public static async Task<TableProfile?> Of(BlobReader content, string scratch, IReadOnlyList<TreeFile> tables, string what, Action<string>? doubtful, CancellationToken cancel)
    {
        if (tables.Count is 0 or > MostTables || tables.Sum(file => file.Size) > MostBytes) return null;
        try
        {
            await Checkouts.Fill(content, new DatasetTree(tables), scratch, cancel);
            var profile = await Task.Run(() => Profiler.Profile([scratch], cancel), cancel);
            if (profile.Kinds is { } kinds) doubtful?.Invoke($"in '{what}', {TableKind.Told(kinds)}");
            return profile;
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            doubtful?.Invoke($"'{what}' has no profile of this version: {e.Without(scratch + "/").Faults[0].ReplaceLineEndings(" ")}");
            return null;
        }
        finally
        {
            if (Directory.Exists(scratch)) Directory.Delete(scratch, recursive: true);
        }
    }

    /// <summary>The tables of a tree, one more than <see cref="MostTables"/> at most.</summary>
    public static async Task<IReadOnlyList<TreeFile>> Tables(TreeReader trees, ContentId root, CancellationToken cancel)
    {
        var tables = new List<TreeFile>();
        await foreach (var file in trees.Files(root, cancel))
            if (IsTable(file))
            {
                tables.Add(file.File);
                if (tables.Count > MostTables) break;
            }
        return tables;
    }

    public static bool IsTable(in TreeEntry file)
    {
        var name = file.Path.AsSpan(file.Path.AsSpan().LastIndexOf((byte)'/') + 1);
        return file.Mode != TreeFileMode.Link && name.Contains((byte)'.') && DuckDb.CanRead(System.Text.Encoding.UTF8.GetString(name));
    }
}
