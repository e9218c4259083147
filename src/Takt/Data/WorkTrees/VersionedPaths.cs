using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.WorkTrees;

/// <summary>Between the work tree and the store: paths become versions, versions become files again.</summary>
public sealed class VersionedPaths(WorkTree tree, Database database, PackStore store, TimeProvider time)
{
    const int Attempts = 5;

    /// <summary>
    /// Stores a folder as a new version of its dataset and writes its pointer; a single file is stored under its own id. Killed at any moment, the pointer
    /// names the old version or the new one, and the store has it whole.
    /// </summary>
    /// <param name="path">Relative to the root.</param>
    /// <param name="dataset">Null: as the pointer says, else the path's last part.</param>
    /// <param name="doubtful">Told each compressed table or archive that is damaged or cut off, and tables that are no one table; all is stored as it is.</param>
    /// <returns>The version and whether it is new; no version for a file.</returns>
    /// <exception cref="TaktException">
    /// NotFound, Invalid. Unavailable: the disk is full, or files can't be read; all are named. Conflict: the files are those of an older version, and the branch has gone on; or
    /// only a part of the folder was checked out.
    /// </exception>
    public async Task<(DatasetCommit? Commit, bool IsNew, long Stored)> Add(string path, string? dataset, string branch, string message, Action<string>? doubtful = null, CancellationToken cancel = default)
    {
        var pointer = File.Exists($"{tree.Root}/{path}.takt") ? TrackedPath.Read(tree.Root, $"{tree.Root}/{path}.takt") : null;
        dataset ??= pointer?.Dataset ?? WorkTree.DatasetName(path);
        DatasetReference.CheckName(dataset);
        tree.RequireApart(path);
        if (pointer is null) PartOfFolder.Forget(tree.PartFile(path));
        else if (PartOfFolder.Read(tree.PartFile(path)) is { } part)
            throw TaktException.Conflict($"of '{path}' only '{string.Join("', '", part.Chosen)}' was checked out, and a version of that would lack all else; 'takt data checkout {path}' (or pull) brings the rest");
        await using var writer = await store.Begin($"add {path}");
        var (root, isFolder, tables) = await Task.Run(() => tree.Take(writer, path, doubtful ?? (_ => { })), cancel);
        CrashPoint.Pass("tree.taken");
        if (!isFolder)
        {
            var stored = writer.StoredBytes;
            await writer.Commit(session => session.Execute($"insert into dataset_pin(tree, path, pinned) values({root.Id.Digest}, {path}, {time.GetUtcNow()}) on conflict do nothing"), cancel);
            tree.Point(path, null, root);
            return (null, pointer?.Content != root.Id, stored);
        }
        TableProfile? profile = null;
        var stands = pointer?.Commit is { } named && pointer.Dataset == dataset ? Version(pointer, named) : null; // what the files grew from
        for (var attempt = 1; ; attempt++)
        {
            var tip = database.Read(session => DatasetTable.Tip(session, dataset, branch) is { } target ? DatasetTable.Find(session, dataset, target) : null);
            if (tip is not null && tip.Tree == root.Id.Digest)
            {
                await writer.Commit(_ => { }, cancel); // nothing new as a rule; if a part was missing it is there again
                tree.Point(path, tip, root);
                return (tip, false, 0);
            }
            if (attempt == 1 && stands is not null && tip is not null && !IsAncestor(tip.Id, stands))
            {
                // an older version, or another branch's, that was checked out
                if (stands.Tree == root.Id.Digest && stands.Dropped is null) return (stands, false, 0);
                throw TaktException.Conflict($"'{path}' holds what grew from v{Number(stands)} of {dataset}, and {dataset}@{branch} is v{Number(tip)} by now: a version of these files would undo what came between. "
                    + $"Give it a branch of its own ('takt data commit {path} --branch NAME') and merge that ('takt data merge {dataset}@NAME'), or go back first ('takt data branch {dataset}@v{Number(stands)} {branch} --move')");
            }
            var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
            profile ??= await VersionProfile.Of(writer.Reader, Path.Combine(store.Scratch, Guid.NewGuid().ToString("N")), tables, path, attempt == 1 ? doubtful : null, cancel);
            Digest? profileId = profile is null ? null : writer.Add(System.Text.Encoding.UTF8.GetBytes(profile.ToJson())).Digest;
            var commit = new DatasetCommit(dataset, root.Id.Digest, (tip ?? stands) is { } parent ? [parent.Id] : [], Environment.UserName, now, message.Length > 0 ? message : $"add {path}", path, root.Files, root.Bytes, profile?.Rows, profileId);
            writer.Add(commit.Json());
            var stored = writer.StoredBytes;
            try
            {
                await writer.Commit(session => DatasetTable.Add(session, commit, branch, tip?.Id, now, commit.Message), cancel);
            }
            catch (TaktException e) when (e.Error == TaktError.Conflict && attempt < Attempts)
            {
                continue; // somebody else's version came between: build on theirs
            }
            tree.Point(path, commit, root);
            CrashPoint.Pass("pointer.written");
            return (commit, true, stored);
        }
    }

    /// <summary>The files of the version that a pointer names.</summary>
    public IEnumerable<(byte[] Path, TreeFileMode Mode, ContentId Id)> Tree(TrackedPath tracked) =>
        new TreeReader(store.Reader).Files(tracked.Content).ToBlockingEnumerable().Select(file => (file.Path, file.Mode, file.Id));

    /// <summary>Makes the path what its pointer says.</summary>
    /// <inheritdoc cref="WorkTreeCheckout.Run"/>
    public async Task<(long Written, long Removed)> Checkout(TrackedPath tracked, string? only, bool force, CancellationToken cancel = default)
    {
        if (await store.Length(tracked.Content.Digest, cancel) is null) throw TaktException.NotFound(NotHere(tracked));
        return await new WorkTreeCheckout(tree, store).Run(tracked, only, force, cancel);
    }

    /// <summary>The pointers that name what the store does not have, in words.</summary>
    public async Task<IReadOnlyList<string>> Lost(CancellationToken cancel = default)
    {
        var lost = new List<string>();
        foreach (var tracked in tree.Tracked())
            if (await store.Length(tracked.Content.Digest, cancel) is null || (tracked.Commit is { } id && Version(tracked, id) is null)) lost.Add(NotHere(tracked));
        return lost;
    }

    long Number(DatasetCommit commit) => database.Read(session => DatasetTable.Numbers(session, commit.Dataset))[commit.Id];

    bool IsAncestor(Digest ancestor, DatasetCommit of) => database.Read(session => DatasetTable.IsAncestor(session, of.Dataset, ancestor, of.Id));

    DatasetCommit? Version(TrackedPath tracked, Digest id) => database.Read(session => DatasetTable.Find(session, tracked.Dataset!, id));

    string NotHere(TrackedPath tracked)
    {
        var what = tracked.Commit is { } id ? $"the version {id}" : tracked.Content.ToString();
        var when = tracked.Commit is { } commit && Version(tracked, commit) is { Dropped: { } at } ? $", which was dropped on {at.UtcDateTime:yyyy-MM-dd} (see 'takt data retention {tracked.Dataset}')" : ", which this store does not have";
        return $"'{tracked.Path}.takt' names {what}{when}; 'takt data pull' brings it from a remote that has it";
    }

    /// <summary>Makes a folder a given version, and its pointer say so.</summary>
    public async Task<(long Written, long Removed)> Checkout(TrackedPath tracked, DatasetCommit version, bool force, CancellationToken cancel = default)
    {
        if (await store.Length(version.Tree, cancel) is null) version.RequireKept();
        var done = (Written: 0L, Removed: 0L);
        await new PartlyFetched(database).Guard(version, async () => done = await new WorkTreeCheckout(tree, store).Run(TrackedPath.Folder(tracked.Path, version), null, force, cancel));
        tree.Point(tracked.Path, version, default);
        return done;
    }
}
