namespace Takt.Data;

/// <summary>Compares versions. Files that are equal on both sides cancel out and are not read.</summary>
public sealed class DatasetDiffs(Datasets datasets)
{
    static long s_comparedAsText;

    /// <summary>How many of this process went the short way.</summary>
    internal static long ComparedAsText => Volatile.Read(ref s_comparedAsText);

    /// <exception cref="TaktException">NotFound: a version. Invalid: a key that is not there or not unique, or a file that can't be read. Unavailable: time or memory.</exception>
    public async Task<DatasetDiff> Between(string from, string to, DiffOptions? options = null, CancellationToken cancel = default)
    {
        var (before, now) = (datasets.Show(from), datasets.Show(to));
        try
        {
            return await Between(before, now, options ?? new DiffOptions(), cancel);
        }
        catch (TaktException e)
        {
            throw datasets.Partly.Explained(e, before, now);
        }
    }

    async Task<DatasetDiff> Between(DatasetCommit before, DatasetCommit now, DiffOptions options, CancellationToken cancel)
    {
        var (changes, left, right) = (new List<FileChange>(), new List<TreeFile>(), new List<TreeFile>());
        var fresh = 0L;
        await foreach (var change in datasets.Changes(before, now, cancel))
        {
            if (change is { Before: { } a, After: { } b } && a.Id == b.Id) continue; // another mode, the same content
            if (change.After is not null) fresh++;
            changes.Add(new((change.After ?? change.Before)!.Value.File.Path, change.Before?.Size, change.After?.Size));
            if (change.Before is { } old) left.Add(old.File);
            if (change.After is { } file) right.Add(file.File);
        }
        var same = now.Files - fresh;
        if (changes.Count == 0) return new(before.Reference, now.Reference, [], same, [], new RowDiff([], false, 0, 0, 0, 0, new Dictionary<string, long>(), []), null);
        if ((before.Profile is null || now.Profile is null) && !changes.Any(change => DuckDb.CanRead(change.Path))) return new(before.Reference, now.Reference, changes, same, [], null, "none of the files that differ is a table");
        var folder = datasets.Scratch();
        try
        {
            var profiles = (await datasets.Profile(before, cancel), await datasets.Profile(now, cancel));
            var (differingA, differingB) = (Differing(left, right), Differing(right, left));
            using var text = new TextComparison(datasets.Content, folder, options, profiles);
            var (a, b, equal) = profiles is ({ }, { }) && IsUnique(options.Key, profiles) && await Task.Run(() => Text(text), CancellationToken.None) is { } short_ ? short_
                : (await Export(before, differingA, Path.Combine(folder, "a")), await Export(now, differingB, Path.Combine(folder, "b")), 0);
            if (before.Profile is null && a.Any.Count == 0) return new(before.Reference, now.Reference, changes, same, [], null, "the first of the two holds no tables");
            if (now.Profile is null && b.Any.Count == 0) return new(before.Reference, now.Reference, changes, same, [], null, "the second of the two holds no tables");
            // of a version that was stored without looking at its tables, what differs is looked at now
            var inferred = Inferred(profiles is ({ }, { }) || !options.Rows || options.Key.Count > 0 || a.Differing.Count == 0 || b.Differing.Count == 0 ? profiles : (Profiler.Profile(a.Differing, cancel), Profiler.Profile(b.Differing, cancel)));
            var compare = new RowComparison(a, b, options, inferred, equal);
            var (columns, rows) = await Task.Run(() => compare.Run(cancel), CancellationToken.None);
            return new(before.Reference, now.Reference, changes, same, columns, rows, rows is null ? options.Rows ? "the versions have no column in common" : "not asked for" : null);

            (RowSide, RowSide, long)? Text(TextComparison text)
            {
                if (!options.Rows) return null;
                Directory.CreateDirectory(folder);
                var short_ = text.Run(differingA, differingB, cancel);
                if (short_ is not null) Interlocked.Increment(ref s_comparedAsText);
                return short_;
            }
        }
        catch (TaktException e)
        {
            e = e.Without(Path.Combine(folder, "a") + "/").Without(Path.Combine(folder, "b") + "/");
            // files that were stored as they are need not be one table
            if (e.Error == TaktError.Invalid && options.Key.Count == 0 && (before.Profile is null || now.Profile is null)) return new(before.Reference, now.Reference, changes, same, [], null, e.Faults[0]);
            throw e;
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }

        async Task<RowSide> Export(DatasetCommit commit, IReadOnlyList<TreeFile> files, string target)
        {
            var differing = files.Select(file => file.Path).ToHashSet(StringComparer.Ordinal);
            // for its columns, one file is needed even where none differs
            var wanted = files.ToDictionary(file => file.Path, StringComparer.Ordinal);
            await foreach (var file in datasets.Files(commit, cancel))
            {
                if (!DuckDb.CanRead(file.Path)) continue;
                wanted[file.Path] = file;
                break;
            }
            if (wanted.Count == 0) return new([], []);
            await datasets.Export(wanted.Values, target, cancel);
            var all = Tables.Expand([target]).Select(Path.GetFullPath).ToList();
            return new(all.Where(file => differing.Contains(Path.GetRelativePath(target, file))).ToList(), all);
        }
    }

    /// <summary>Tables whose rows the other side does not have under another name.</summary>
    static IReadOnlyList<TreeFile> Differing(List<TreeFile> files, List<TreeFile> others)
    {
        var elsewhere = others.GroupBy(file => file.Digest).ToDictionary(group => group.Key, group => group.Count());
        var differing = new List<TreeFile>();
        foreach (var file in files.Where(file => DuckDb.CanRead(file.Path)))
            if (elsewhere.TryGetValue(file.Digest, out var count) && count > 0) elsewhere[file.Digest] = count - 1;
            else differing.Add(file);
        return differing;
    }

    /// <summary>Whether no row of either version shares its key with another, as far as the profiles know.</summary>
    static bool IsUnique(IReadOnlyList<string> key, (TableProfile? Before, TableProfile? Now) profiles) => key.Count switch
    {
        0 => true,
        1 => profiles is ({ } before, { } now) && before.Find(key[0]) is { } a && now.Find(key[0]) is { } b && a.Missing == 0 && b.Missing == 0 && a.Distinct == before.Rows && b.Distinct == now.Rows,
        _ => false,
    };

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
