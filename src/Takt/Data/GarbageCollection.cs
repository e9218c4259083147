using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>
/// Finds what nothing refers to, and removes it in two steps: into quarantine, where it can still be read and any read brings it back, and after some days from
/// there. Fails closed: when one thing that is referred to can't be read, nothing is removed.
/// </summary>
public sealed class GarbageCollection(Database database, PackStore store, TimeProvider time)
{
    /// <summary>How long something stays in quarantine unless told otherwise.</summary>
    public static readonly TimeSpan Quarantine = TimeSpan.FromDays(7);

    static readonly TimeSpan OrphanKept = TimeSpan.FromDays(1);

    /// <summary>A pack of which less than this share is in use is written anew.</summary>
    const double RewriteBelow = 0.6;

    const long SmallPack = 8 << 20;
    const int MostSmallPacks = 32;
    const int MostShown = 20;

    readonly Leases _leases = new(database, time, Leases.OwnerOf($"process {Environment.ProcessId}"));

    /// <summary>Plans and does it, while nobody else does.</summary>
    /// <inheritdoc cref="Plan"/>
    /// <exception cref="TaktException">Conflict: another process collects, or has taken over from this one. Invalid: as <see cref="Plan"/>.</exception>
    public async Task<GcPlan> Collect(TimeSpan grace, TimeSpan quarantine, IEnumerable<Digest>? also = null, CancellationToken cancel = default)
    {
        const string Name = "garbage";
        await using var lease = await _leases.TryTake(Name, cancel) ?? throw TaktException.Conflict($"garbage is being collected by {_leases.HolderOf(Name) ?? "another process"}; wait for it");
        try
        {
            var plan = await Plan(grace, quarantine, also, lease.Token);
            if (await lease.Renew()) await Apply(plan, lease.Token); // a plan of a process that was asleep is not done
            if (!lease.IsLost) return plan;
        }
        catch (OperationCanceledException) when (lease.IsLost)
        {
            // told below
        }
        throw TaktException.Conflict("another process collects garbage by now: this one was not heard of for too long");
    }

    /// <param name="grace">How long something must have been there before it may go into quarantine.</param>
    /// <param name="quarantine">How long it stays there.</param>
    /// <param name="also">What else is needed, such as the versions that pointers of a work tree name.</param>
    /// <exception cref="TaktException">Invalid: something that is referred to is missing or damaged; what, and by whom.</exception>
    public async Task<GcPlan> Plan(TimeSpan grace, TimeSpan quarantine, IEnumerable<Digest>? also = null, CancellationToken cancel = default)
    {
        var now = time.GetUtcNow();
        store.Refresh();
        if (store.DamagedPacks.Count > 0) throw new TaktException(TaktError.Invalid, ["nothing is removed while the store is damaged", .. store.DamagedPacks]);
        // leases before marks: one that begins later finds what is in quarantine and brings it back
        var oldestLease = database.Read(session => session.Number($"select min(opened) from store_lease where beat >= {now - PackStore.LeaseLife}"));
        var (marks, dropped) = await Mark(now, also ?? [], cancel);
        if (marks.Missing.Count > 0) throw new TaktException(TaktError.Invalid, ["nothing is removed while something that is referred to is missing; see 'takt data verify'", .. marks.Missing.Take(MostShown)]);

        var removable = now - quarantine;
        if (oldestLease is { } opened && DateTimeOffset.FromUnixTimeMilliseconds(opened) < removable) removable = DateTimeOffset.FromUnixTimeMilliseconds(opened);
        var steps = dropped.Select(version => new GcStep(GcAction.Drop, $"{version.Dataset}@v{version.Number}", version.Bytes) { Id = version.Id, Dataset = version.Dataset }).ToList();
        long live = 0;
        var rows = database.Read(session => session.Query($"select id, state, bytes, created, since from pack", row => (Id: row.Digest(0), State: row.Text(1), Bytes: row.Number(2), Created: row.Time(3), Since: row.Time(4)))).ToDictionary(row => row.Id);
        var small = new List<GcStep>();
        foreach (var (pack, bits) in marks.Packs)
        {
            if (!rows.TryGetValue(pack.Id.Digest, out var row)) continue;
            long used = 0, all = 0;
            for (var i = 0; i < bits.Count; i++)
            {
                var stored = pack.Index[i].Stored + PackFormat.RecordHead + PackEntry.Size;
                all += stored;
                if (bits[i]) used += stored;
            }
            live += used;
            GcStep Step(GcAction action, long bytes) => new(action, PackFormat.PackName(pack.Id), bytes) { Id = pack.Id.Digest };
            var old = now - row.Created >= grace;
            if (row.State != PackTable.Live)
            {
                if (used > 0) steps.Add(Step(GcAction.Revive, row.Bytes));
                else if (row.Since <= removable) steps.Add(Step(GcAction.Remove, row.Bytes));
            }
            else if (used == 0)
            {
                if (old) steps.Add(Step(GcAction.Quarantine, row.Bytes));
            }
            else if (old && used < all * RewriteBelow) steps.Add(Step(GcAction.Rewrite, row.Bytes - used));
            else if (row.Bytes < SmallPack) small.Add(Step(GcAction.Rewrite, 0));
        }
        if (small.Count > MostSmallPacks) steps.AddRange(small);

        var quarantined = database.Read(session => session.Query($"select id, since from blob_quarantine", row => (Id: row.Digest(0), Since: row.Time(1)))).ToDictionary(row => row.Id, row => row.Since);
        await foreach (var file in store.Objects.Objects("loose/", cancel))
        {
            if (!Digest.TryParse(file.Name[(file.Name.LastIndexOf('/') + 1)..], out var id)) continue;
            GcStep Step(GcAction action) => new(action, file.Name, file.Length) { Id = id, Kind = 1 };
            if (marks.Loose.Contains(id))
            {
                live += file.Length;
                if (quarantined.ContainsKey(id)) steps.Add(Step(GcAction.Revive));
            }
            else if (quarantined.TryGetValue(id, out var since))
            {
                if (since <= removable) steps.Add(Step(GcAction.Remove));
            }
            else if (now - file.ModifiedAt >= grace) steps.Add(Step(GcAction.Quarantine));
        }
        // packs that were published and whose session never committed
        await foreach (var file in store.Objects.Objects("packs/", cancel))
            if (Digest.TryParse(Path.GetFileNameWithoutExtension(file.Name), out var id) && !rows.ContainsKey(id)
                && now - file.ModifiedAt >= OrphanKept && (oldestLease is null || file.ModifiedAt < DateTimeOffset.FromUnixTimeMilliseconds(oldestLease.Value)))
                steps.Add(new(GcAction.Remove, file.Name, file.Length) { Id = id, Kind = 2 });
        return new GcPlan(steps, live) { Marks = marks.Packs, RemovableBefore = removable };
    }

    /// <summary>Does what the plan says, except where something has come to be needed since.</summary>
    internal async Task Apply(GcPlan plan, CancellationToken cancel = default)
    {
        foreach (var step in plan.Steps.Where(step => step.Do == GcAction.Drop))
        {
            cancel.ThrowIfCancellationRequested();
            var now = time.GetUtcNow();
            // a branch or tag that has come meanwhile keeps it; what is in quarantine by then comes back with the next collection
            await database.Write(session => session.Execute($"update dataset_commit set dropped = {now}, partial = 1 where dataset = {step.Dataset} and id = {step.Id} and dropped is null and not exists (select 1 from dataset_ref r where r.dataset = {step.Dataset} and r.target = {step.Id})"));
            CrashPoint.Pass("gc.dropped");
        }
        foreach (var step in plan.Steps.Where(step => step.Do is GcAction.Revive or GcAction.Quarantine))
        {
            cancel.ThrowIfCancellationRequested();
            var (now, state) = (time.GetUtcNow(), step.Do == GcAction.Revive ? PackTable.Live : PackTable.Quarantine);
            await database.Write(session =>
            {
                if (step.Kind == 0) session.Execute($"update pack set state = {state}, since = {now} where id = {step.Id} and state <> {state}");
                else if (step.Do == GcAction.Revive) PackTable.ReviveLoose(session, step.Id);
                else session.Execute($"insert into blob_quarantine(id, since) values({step.Id}, {now}) on conflict do nothing");
            });
            CrashPoint.Pass("gc.state");
        }
        var rewrite = plan.Steps.Where(step => step.Do == GcAction.Rewrite).Select(step => plan.Marks.First(mark => mark.Key.Id.Digest == step.Id)).ToList();
        if (rewrite.Count > 0)
        {
            var made = await PackRewrite.Write(store, rewrite.Select(mark => (mark.Key, (Func<int, bool>)(at => mark.Value[at]))), cancel);
            await database.Write(session =>
            {
                var now = time.GetUtcNow();
                foreach (var old in rewrite) session.Execute($"update pack set state = {PackTable.Quarantine}, since = {now} where id = {old.Key.Id.Digest}");
                foreach (var pack in made) PackTable.Add(session, pack, now); // last: a pack that came out as it was stays
            });
            CrashPoint.Pass("gc.rewritten");
        }
        foreach (var step in plan.Steps.Where(step => step.Do == GcAction.Remove))
        {
            cancel.ThrowIfCancellationRequested();
            // the row goes first: what has been brought back meanwhile is no longer in quarantine
            var gone = step.Kind == 2 ? database.Read(session => session.Number($"select count(*) from pack where id = {step.Id}")) == 0
                : await database.Write(session => session.Execute(step.Kind == 0
                    ? $"delete from pack where id = {step.Id} and state = {PackTable.Quarantine} and since <= {plan.RemovableBefore}"
                    : (Sql)$"delete from blob_quarantine where id = {step.Id} and since <= {plan.RemovableBefore}") > 0);
            CrashPoint.Pass("gc.row");
            if (!gone) continue;
            if (step.Kind == 1) await store.Whole.Delete(step.Id, cancel);
            else if (step.Kind == 2) await store.Objects.Remove(step.Name, cancel);
            else
            {
                await store.Objects.Remove(PackFormat.IndexName(ContentId.From(step.Id)), cancel);
                CrashPoint.Pass("gc.index");
                await store.Objects.Remove(PackFormat.PackName(ContentId.From(step.Id)), cancel);
            }
            CrashPoint.Pass("gc.removed");
        }
        var dead = time.GetUtcNow() - PackStore.LeaseLife;
        await database.Write(session => session.Execute($"delete from store_lease where beat < {dead}"));
        store.Refresh();
    }

    async Task<(LiveMarks Marks, IReadOnlyList<StoredVersion> Dropped)> Mark(DateTimeOffset now, IEnumerable<Digest> also, CancellationToken cancel)
    {
        var (named, versions) = database.Read(session =>
        {
            var found = BlobRoots.Named(session);
            found.UnionWith(also);
            return (found, RetainedVersions.Of(session, found, now));
        });
        var marks = new LiveMarks(store);
        var commits = versions.All.Select(version => version.Id).ToHashSet();
        var gone = new List<StoredVersion>();
        foreach (var version in versions.Kept.Where(version => version is { Partial: false, Dropped: null })) All(version);
        // of versions that a remote has whole and this store in part, or that were dropped and are needed after all, what is here is kept; last, as what is marked is not looked at again
        marks.Lenient = true;
        foreach (var version in versions.All)
            if (!versions.Kept.Contains(version)) gone.Add(version);
            else if (version.Partial || version.Dropped is not null) All(version);
        marks.Lenient = false;
        foreach (var id in named)
            if (!commits.Contains(id)) await marks.Named(id, cancel);
        // of those that go or have gone, what the log and the figures of versions show
        marks.Lenient = true;
        foreach (var version in gone) Facts(version);
        return (marks, gone.Where(version => version.Dropped is null).ToList());

        void All(StoredVersion version)
        {
            Facts(version);
            marks.Tree(ContentId.From(version.Tree), version.Reference);
        }

        void Facts(StoredVersion version)
        {
            marks.File(ContentId.From(version.Id), version.Reference);
            if (version.Profile is { } profile) marks.File(ContentId.From(profile), version.Reference);
        }
    }
}
