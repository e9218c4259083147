using Takt.Data.Trees;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>Branches and tags of datasets, what lies between two versions, and making two one again.</summary>
public sealed class DatasetBranches(Database database, PackStore store, Datasets datasets, TimeProvider time)
{
    public IReadOnlyList<DatasetRef> List(string dataset, bool tags) => database.Read(session => DatasetTable.Refs(session, dataset, tags ? "tag" : "branch"));

    /// <summary>A new name for a version.</summary>
    /// <param name="from">A reference.</param>
    /// <param name="move">A branch of that name goes there, wherever it was; the reflog keeps where.</param>
    /// <exception cref="TaktException">Conflict: the name is taken, a tag never moves. Invalid: no name. NotFound.</exception>
    public async Task<DatasetCommit> Create(string name, string from, bool tag, bool move = false)
    {
        var commit = datasets.Show(from);
        if (!DatasetReference.IsName(name) || DatasetReference.Version(name) is not null)
            throw TaktException.Invalid($"'{name}' can't name a {(tag ? "tag" : "branch")}; use 1 to 100 letters, digits, '.', '_' and '-', a letter or digit first, not v and a number");
        await database.Write(session =>
        {
            DatasetTable.Find(session, commit.Dataset, commit.Id)!.RequireKept();
            var taken = DatasetTable.Tip(session, commit.Dataset, name);
            if (taken is not null && !(move && DatasetTable.Refs(session, commit.Dataset, "branch").Any(branch => branch.Name == name)))
                throw TaktException.Conflict($"'{commit.Dataset}@{name}' is there already, at {taken}; {(tag || move ? "delete it first, or" : "move it with --move, or")} take another name");
            DatasetTable.Move(session, commit.Dataset, name, taken, commit.Id, time.GetUtcNow(), tag ? "tag" : taken is null ? "branch" : $"moved to {from}");
            session.Execute($"update dataset_ref set kind = {(tag ? "tag" : "branch")} where dataset = {commit.Dataset} and name = {name}");
        });
        return commit;
    }

    /// <summary>Removes the name; the version stays in the reflog for 90 days.</summary>
    public Task Delete(string dataset, string name, bool tag) => database.Write(session =>
    {
        if (name == DatasetReference.Main) throw TaktException.Invalid($"'{DatasetReference.Main}' is what '{dataset}' alone means and stays; 'takt data branch {dataset}@VERSION {DatasetReference.Main} --move' moves it");
        if (session.Execute($"delete from dataset_ref where dataset = {dataset} and name = {name} and kind = {(tag ? "tag" : "branch")}") == 0)
            throw TaktException.NotFound($"dataset '{dataset}' has no {(tag ? "tag" : "branch")} '{name}'");
    });

    /// <summary>The files that differ.</summary>
    public async IAsyncEnumerable<PathChange> Changes(DatasetCommit before, DatasetCommit after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        await foreach (var change in new TreeReader(store.Reader).Changes(ContentId.From(before.Tree), ContentId.From(after.Tree), cancel))
            yield return new PathChange(change.Before is null ? "added" : change.After is null ? "removed" : "changed", System.Text.Encoding.UTF8.GetString(change.Path));
    }

    /// <summary>Brings what was done in another version into a branch, path by path against their newest common ancestor.</summary>
    /// <param name="doubtful">Told why the merged tables have no profile.</param>
    /// <returns>The branch's new tip; its old one when there was nothing to bring in.</returns>
    /// <exception cref="TaktException">Conflict: paths that both changed, named; nothing was moved.</exception>
    public async Task<DatasetCommit> Merge(string theirs, string into = DatasetReference.Main, Action<string>? doubtful = null, CancellationToken cancel = default)
    {
        var other = datasets.Show(theirs).RequireKept();
        var tip = datasets.Tip(other.Dataset, into) ?? throw TaktException.NotFound($"dataset '{other.Dataset}' has no branch '{into}'");
        if (List(other.Dataset, tags: true).Any(tag => tag.Name == into)) throw TaktException.Invalid($"'{into}' is a tag, which never moves; merge into a branch");
        var (mine, others) = (Ancestors(tip), Ancestors(other));
        if (mine.ContainsKey(other.Id)) return tip;
        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        if (others.ContainsKey(tip.Id))
        {
            await database.Write(session =>
            {
                if (DatasetTable.Tip(session, tip.Dataset, into) != tip.Id) throw Moved();
                DatasetTable.Move(session, tip.Dataset, into, tip.Id, other.Id, now, $"merge {theirs}");
            });
            return other;
        }
        var shared = others.Values.Where(commit => mine.ContainsKey(commit.Id)).MaxBy(commit => commit.Time)?.RequireKept();
        await using var writer = await store.Begin($"merge {theirs}");
        var from = shared is null ? writer.Add(TreeNode.Leaf([])) : ContentId.From(shared.Tree);
        var root = await TreeMerge.Of(new TreeReader(writer.Reader), from, ContentId.From(tip.Tree), ContentId.From(other.Tree), node => writer.Add(node), cancel);
        var profile = await Profile(writer, root.Id, tip, other, doubtful, cancel);
        Digest? profileId = profile is null ? null : writer.Add(System.Text.Encoding.UTF8.GetBytes(profile.ToJson())).Digest;
        var merged = new DatasetCommit(tip.Dataset, root.Id.Digest, [tip.Id, other.Id], Environment.UserName, now, $"merge {theirs} into {into}", "", root.Files, root.Bytes, profile?.Rows, profileId);
        writer.Add(merged.Json());
        await writer.Commit(session => DatasetTable.Add(session, merged, into, tip.Id, now, merged.Message), cancel);
        return merged;

        TaktException Moved() => TaktException.Conflict($"somebody else moved {tip.Dataset}@{into} meanwhile; merge again");
    }

    // where neither side has one there is no table, or none was wanted: millions of names need not be read to learn that again
    async Task<TableProfile?> Profile(StoreWriter writer, ContentId root, DatasetCommit mine, DatasetCommit theirs, Action<string>? doubtful, CancellationToken cancel)
    {
        if (mine.Profile is null && theirs.Profile is null) return null;
        foreach (var one in (DatasetCommit[])[mine, theirs])
            if (root.Digest == one.Tree && one.Profile is not null) return await datasets.Profile(one, cancel);
        var tables = await VersionProfile.Tables(new TreeReader(writer.Reader), root, cancel);
        return await VersionProfile.Of(writer.Reader, datasets.Scratch(), tables, mine.Dataset, doubtful, cancel);
    }

    Dictionary<Digest, DatasetCommit> Ancestors(DatasetCommit of) => database.Read(session =>
    {
        var found = new Dictionary<Digest, DatasetCommit> { [of.Id] = of };
        var todo = new Queue<Digest>(of.Parents);
        while (todo.TryDequeue(out var id))
        {
            if (found.ContainsKey(id) || DatasetTable.Find(session, of.Dataset, id) is not { } commit) continue;
            found[id] = commit;
            foreach (var parent in commit.Parents) todo.Enqueue(parent);
        }
        return found;
    });
}
