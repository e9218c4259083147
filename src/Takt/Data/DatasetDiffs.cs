namespace Takt.Data;

/// <summary>Compares versions. Files that are equal on both sides cancel out and are not read.</summary>
public sealed class DatasetDiffs(Datasets datasets)
{
    /// <exception cref="TaktException">NotFound: a version. Invalid: a key that is not there or not unique, or a file that can't be read. Unavailable: time or memory.</exception>
    public async Task<DatasetDiff> Between(string from, string to, DiffOptions? options = null, CancellationToken cancel = default)
    {
        options ??= new DiffOptions();
        var (before, now) = (datasets.Show(from), datasets.Show(to));
        var (treeBefore, treeNow) = (await datasets.Tree(before, cancel), await datasets.Tree(now, cancel));
        var (changes, same) = Files(treeBefore, treeNow);
        if (changes.Count == 0) return new(before.Reference, now.Reference, [], same, [], new RowDiff([], false, 0, 0, 0, 0, new Dictionary<string, long>(), []), null);
        if (before.Profile is null || now.Profile is null) return new(before.Reference, now.Reference, changes, same, [], null, "one of the two holds no tables");
        var folder = datasets.Scratch();
        try
        {
            var (a, b) = (await Export(before, treeBefore, treeNow, Path.Combine(folder, "a")), await Export(now, treeNow, treeBefore, Path.Combine(folder, "b")));
            var profiles = (await datasets.Profile(before, cancel), await datasets.Profile(now, cancel));
            var compare = new RowComparison(a, b, options, Inferred(profiles));
            var (columns, rows) = await Task.Run(() => compare.Run(cancel), CancellationToken.None);
            return new(before.Reference, now.Reference, changes, same, columns, rows, rows is null ? options.Rows ? "the versions have no column in common" : "not asked for" : null);
        }
        catch (TaktException e)
        {
            throw new TaktException(e.Error, e.Faults.Select(fault => fault.Replace(Path.Combine(folder, "a") + "/", "", StringComparison.Ordinal).Replace(Path.Combine(folder, "b") + "/", "", StringComparison.Ordinal)).ToList());
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }

        async Task<(IReadOnlyList<string> Differing, IReadOnlyList<string> Any)> Export(DatasetCommit commit, DatasetTree tree, DatasetTree other, string target)
        {
            // files that only have another name hold the same rows
            var left = other.Files.GroupBy(file => file.Digest).ToDictionary(group => group.Key, group => group.Count());
            var differing = new HashSet<string>(StringComparer.Ordinal);
            foreach (var file in tree.Files.Where(file => DuckDb.CanRead(file.Path)))
                if (left.TryGetValue(file.Digest, out var count) && count > 0) left[file.Digest] = count - 1;
                else differing.Add(file.Path);
            // for its columns, one file is needed even where none differs
            var any = tree.Files.First(file => DuckDb.CanRead(file.Path)).Path;
            await datasets.Export(commit, target, path => differing.Contains(path) || path == any, cancel);
            var all = Tables.Expand([target]).Select(Path.GetFullPath).ToList();
            return (all.Where(file => differing.Contains(Path.GetRelativePath(target, file))).ToList(), all);
        }
    }

    static (List<FileChange> Changes, long Same) Files(DatasetTree before, DatasetTree now)
    {
        var known = before.Files.ToDictionary(file => file.Path, StringComparer.Ordinal);
        var changes = new List<FileChange>();
        long same = 0;
        foreach (var file in now.Files)
            if (!known.Remove(file.Path, out var old)) changes.Add(new(file.Path, null, file.Size));
            else if (old.Digest == file.Digest) same++;
            else changes.Add(new(file.Path, old.Size, file.Size));
        changes.AddRange(known.Values.Select(file => new FileChange(file.Path, file.Size, null)));
        return (changes.OrderBy(change => change.Path, StringComparer.Ordinal).ToList(), same);
    }

    /// <summary>The column without a missing or repeated value in both versions: one called like a key first, then whole numbers and texts; never measurements.</summary>
    static string? Inferred((TableProfile? Before, TableProfile? Now) profiles)
    {
        if (profiles is not ({ } before, { } now)) return null;
        return before.Columns.Where(column => IsKey(column, before) && now.Find(column.Name) is { } other && other.Type == column.Type && IsKey(other, now))
            .Select((column, i) => (column.Name, Rank: column.Name.ToLowerInvariant() is "id" or "key" or "uuid" or "guid" ? 0 : column.Name.EndsWith("id", StringComparison.OrdinalIgnoreCase) || column.Name.EndsWith("key", StringComparison.OrdinalIgnoreCase) ? 1 : 2, i))
            .OrderBy(c => c.Rank).ThenBy(c => c.i).Select(c => c.Name).FirstOrDefault();

        static bool IsKey(ColumnProfile column, TableProfile table) => column.Type is ColumnType.Integer or ColumnType.Text && column.Missing == 0 && column.Distinct == table.Rows;
    }
}
