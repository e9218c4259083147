using System.Text;
using Takt.Storage.Packs;

namespace Takt.Data.Trees;

/// <summary>Two trees that grew from one, made one again, path by path.</summary>
static class TreeMerge
{
    const int MostShown = 10;

    /// <exception cref="TaktException">Conflict: paths that both changed, each to something else; they are named.</exception>
    public static async Task<TreeNodeRef> Of(TreeReader trees, ContentId from, ContentId ours, ContentId theirs, Func<byte[], ContentId> store, CancellationToken cancel)
    {
        var mine = new Dictionary<string, TreeChange>(StringComparer.Ordinal);
        await foreach (var change in trees.Changes(from, ours, cancel)) mine[Encoding.UTF8.GetString(change.Path)] = change;
        var wanted = new List<TreeChange>();
        var conflicts = new List<string>();
        await foreach (var change in trees.Changes(from, theirs, cancel))
        {
            var path = Encoding.UTF8.GetString(change.Path);
            if (!mine.TryGetValue(path, out var other)) wanted.Add(change);
            else if (!(other.After is null && change.After is null) && !(other.After is { } a && change.After is { } b && a.SameContent(b)))
                conflicts.Add($"'{path}' was {Word(other)} here and {Word(change)} there");
        }
        if (conflicts.Count == 0) return await trees.Apply(ours, wanted, store, cancel);
        if (conflicts.Count > MostShown) conflicts = [.. conflicts.Take(MostShown), $"and {conflicts.Count - MostShown:N0} more"];
        throw new TaktException(TaktError.Conflict, conflicts);

        static string Word(in TreeChange change) => change.After is null ? "removed" : change.Before is null ? "added" : "changed";
    }
}
