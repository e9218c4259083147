using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

public sealed class GarbageCollectionTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    readonly Database _database;
    readonly PackStore _store;
    readonly GarbageCollection _gc;

    public GarbageCollectionTests()
    {
        _database = SqliteFile.Open(Path.Combine(_folder, "takt.db"));
        _store = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, _time);
        _gc = new GarbageCollection(_database, _store, _time);
    }

    public async ValueTask DisposeAsync()
    {
        _store.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<ContentId> Packed(string content, Action<SqlSession>? rows = null)
    {
        await using var writer = await _store.Begin("test");
        var id = writer.Add(System.Text.Encoding.UTF8.GetBytes(content));
        await writer.Commit(rows ?? (_ => { }));
        return id;
    }

    async Task<List<GcAction>> Collect(double days = 0)
    {
        _time.Advance(TimeSpan.FromDays(days));
        var plan = await _gc.Collect(TimeSpan.FromDays(14), TimeSpan.FromDays(7));
        return plan.Steps.Select(step => step.Do).ToList();
    }

    [Fact]
    public async Task What_nothing_refers_to_waits_14_days_then_7_in_quarantine_and_goes()
    {
        var id = await Packed("nobody's");
        Assert.Empty(await Collect());
        Assert.Equal([GcAction.Quarantine], await Collect(14.1));
        Assert.Empty(await Collect(6));
        Assert.Equal([GcAction.Remove], await Collect(1.1));
        Assert.Null(await _store.Length(id.Digest));
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "store/packs"), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Reading_what_is_in_quarantine_brings_it_back()
    {
        var id = await Packed("read once more");
        Assert.Equal([GcAction.Quarantine], await Collect(15));
        using (var reader = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, _time)) Assert.Equal("read once more"u8.ToArray(), await reader.Reader.Bytes(id));
        Assert.Equal([GcAction.Quarantine], await Collect(8));
    }

    [Fact]
    public async Task A_lease_holds_what_its_session_has_found()
    {
        var id = await Packed("found by a session");
        await Collect(15);
        await using var writer = await _store.Begin("a slow one");
        Assert.True(writer.Has(id));
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromDays(30));
            await _store.Beat(_database.Read(session => session.Text($"select id from store_lease"))!);
            Assert.DoesNotContain(GcAction.Remove, await Collect());
        }
        await writer.Commit(_ => { });
        Assert.NotNull(await _store.Length(id.Digest));
    }

    [Fact]
    public async Task What_another_process_has_removed_meanwhile_is_stored_again()
    {
        using var other = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, _time);
        var id = await Packed("nobody's, then somebody's");
        Assert.NotNull(await other.Length(id.Digest)); // it has seen the pack
        await Collect(15);
        Assert.Equal([GcAction.Remove], await Collect(8));
        await using var writer = await other.Begin("somebody");
        Assert.False(writer.Has(id));
        Assert.Equal(id, writer.Add("nobody's, then somebody's"u8));
        await writer.Commit(_ => { });
        Assert.Equal("nobody's, then somebody's"u8.ToArray(), await other.Reader.Bytes(id));
    }

    [Fact]
    public async Task What_another_process_has_moved_to_another_pack_is_found_there()
    {
        using var other = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, _time);
        ContentId kept, unwanted;
        await using (var writer = await _store.Begin("test"))
        {
            (kept, unwanted) = (writer.Add("kept"u8), writer.Add("unwanted"u8));
            await writer.Commit(_ => { });
        }
        Assert.Equal(4, await other.Length(kept.Digest)); // by the index alone
        await _store.Delete(unwanted.Digest);
        Assert.Equal("kept"u8.ToArray(), await other.Reader.Bytes(kept));
        Assert.Null(await other.Length(unwanted.Digest));
    }

    [Fact]
    public async Task One_process_collects_at_a_time_and_one_that_was_taken_over_removes_nothing()
    {
        await Packed("nobody's");
        _time.Advance(TimeSpan.FromDays(15));
        var other = new Leases(_database, _time, "other");
        await using (await other.TryTake("garbage", default))
            Assert.Contains("garbage is being collected by other", (await Assert.ThrowsAsync<TaktException>(() => Collect())).Message);
        var fault = await Assert.ThrowsAsync<TaktException>(() => _gc.Collect(TimeSpan.FromDays(14), TimeSpan.FromDays(7), TakenOver()));
        Assert.Equal(TaktError.Conflict, fault.Error);
        Assert.Equal("live", _database.Read(session => session.Text($"select state from pack")));
        await _database.Write(session => session.Execute($"delete from lease"));
        Assert.Equal([GcAction.Quarantine], await Collect());

        // asked for while it plans
        IEnumerable<Digest> TakenOver()
        {
            _database.Write(session => session.Execute($"update lease set owner = {"other"}")).GetAwaiter().GetResult();
            yield break;
        }
    }

    [Fact]
    public async Task Any_text_column_of_any_table_keeps_what_it_names()
    {
        await _database.Write(session => { session.Execute($"create table made_tomorrow(id bigint primary key, notes text)"); });
        var id = await Packed("of tomorrow");
        var loose = await _store.Put(new MemoryStream("loose of tomorrow"u8.ToArray()));
        var notes = $"see {id} and [\"{loose.Id}+x\"]";
        await _database.Write(session => { session.Execute($"insert into made_tomorrow(id, notes) values(1, {notes})"); });
        Assert.Empty(await Collect(100));
        await _database.Write(session => { session.Execute($"delete from made_tomorrow"); });
        Assert.Equal([GcAction.Quarantine, GcAction.Quarantine], await Collect());
    }

    [Theory]
    [InlineData("TAKTLEAF is how this text begins")]
    [InlineData("TAKTNODE is how this text begins")]
    public async Task A_file_that_looks_like_a_trees_node_is_a_file(string content)
    {
        ContentId id = default;
        await using (var writer = await _store.Begin("test"))
        {
            id = writer.Add(System.Text.Encoding.UTF8.GetBytes(content));
            await writer.Commit(session => session.Execute($"insert into dataset_pin(tree, path, pinned) values({id.Digest}, {"x"}, {0L})"));
        }
        for (var i = 0; i < 3; i++) Assert.Empty(await Collect(15));
        Assert.Equal(content.Length, await _store.Length(id.Digest));
    }

    [Fact]
    public async Task A_file_that_is_a_copy_of_another_versions_tree_hides_nothing_of_that_tree()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        File.WriteAllText(Path.Combine(_folder, "a.txt"), "needed by the tree alone");
        var copied = (await datasets.Collect("zz", _folder, ["a.txt"])).Commit;
        await using (var leaf = await _store.Open(copied.Tree))
        await using (var to = File.Create(Path.Combine(_folder, "node.bin"))) await leaf.CopyToAsync(to);
        await datasets.Collect("aa", _folder, ["node.bin"]); // looked at before the other
        File.Delete(Path.Combine(_folder, "node.bin"));
        for (var i = 0; i < 4; i++) await Collect(15);
        Assert.Equal(24, await _store.Length(Digest.Of("needed by the tree alone"u8)));
        Assert.Equal([], await DatasetCheck.Of(_database, _store, data: true));
    }

    [Fact]
    public async Task Every_table_that_keeps_nothing_is_one_that_is_there()
    {
        await Task.CompletedTask;
        var tables = _database.Read(BlobRoots.TextColumns).Keys;
        Assert.Empty(BlobRoots.NotRoots.Keys.Except(tables));
    }

    [Fact]
    public async Task Versions_are_kept_with_all_their_files_and_history()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        for (var i = 0; i < 3; i++)
        {
            File.WriteAllText(Path.Combine(_folder, "a.txt"), $"version {i}");
            await datasets.Collect("notes", _folder, ["a.txt"]);
        }
        Assert.DoesNotContain(GcAction.Remove, await Collect(200));
        Assert.DoesNotContain(GcAction.Remove, await Collect(200));
        Assert.Equal([], await DatasetCheck.Of(_database, _store, data: true));
        Assert.Equal(3, datasets.Log("notes").Count);
    }

    async Task<List<DatasetCommit>> Notes(Datasets datasets, int count)
    {
        for (var i = 0; i < count; i++)
        {
            File.WriteAllText(Path.Combine(_folder, "a.txt"), $"version {i + 1}");
            await datasets.Collect("notes", _folder, ["a.txt"]);
            _time.Advance(TimeSpan.FromDays(1));
        }
        return datasets.Log("notes").Reverse().ToList();
    }

    [Fact]
    public async Task A_rule_keeps_the_last_versions_of_each_branch_and_what_is_tagged_or_named_and_the_rest_goes()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        var branches = new DatasetBranches(_database, _store, datasets, _time);
        var versions = await Notes(datasets, 8);
        await branches.Create("release", "notes@v2", tag: true);
        await branches.Create("old", "notes@v4", tag: false);
        await _database.Write(session => { session.Execute($"create table made_tomorrow(notes text)"); session.Execute($"insert into made_tomorrow(notes) values({"made of " + versions[0].Reference})"); });
        var retention = new DatasetRetention(_database, _time);
        await retention.Set(new("notes", 2, null));
        Assert.Equal(new RetentionRule("notes", 2, null), Assert.Single(retention.List()));
        var plan = await _gc.Plan(TimeSpan.FromDays(14), TimeSpan.FromDays(7), [versions[4].Id]);
        Assert.Equal(["notes@v6"], plan.Steps.Where(step => step.Do == GcAction.Drop).Select(step => step.Name)); // v7 and v8 of main, v3 and v4 of old, v5 by a pointer
        for (var i = 0; i < 3; i++) await Collect(15);
        Assert.Equal([false, false, false, false, true, true, false, false], datasets.Log("notes").Reverse().Select(version => version.Dropped is not null));
        Assert.Equal(9, await _store.Length(Digest.Of("version 4"u8)));
        Assert.Null(await _store.Length(Digest.Of("version 6"u8)));
        var e = await Assert.ThrowsAsync<TaktException>(() => datasets.Tree(datasets.Show("notes@v6")));
        Assert.Contains("dropped", e.Message);
        Assert.Equal(e.Message, (await Assert.ThrowsAsync<TaktException>(() => branches.Create("late", "notes@v6", tag: true))).Message);
        Assert.Equal([], await DatasetCheck.Of(_database, _store, data: true));
        await retention.Remove("notes");
        Assert.Empty(await Collect(100));
        Assert.Equal(6, datasets.Log("notes").Count(version => version.Dropped is null));
    }

    [Fact]
    public async Task A_rule_by_age_keeps_what_is_younger_and_the_tip()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        await Notes(datasets, 5);
        await new DatasetRetention(_database, _time).Set(new("notes", null, TimeSpan.FromDays(3.5)));
        await Collect();
        Assert.Equal([true, true, false, false, false], datasets.Log("notes").Reverse().Select(version => version.Dropped is not null));
        await Collect(100);
        Assert.Equal(1, datasets.Log("notes").Count(version => version.Dropped is null));
    }

    [Fact]
    public async Task A_tag_that_comes_between_plan_and_deed_keeps_its_version()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        await Notes(datasets, 3);
        await new DatasetRetention(_database, _time).Set(new("notes", 1, null));
        _time.Advance(TimeSpan.FromDays(20));
        var plan = await _gc.Plan(TimeSpan.FromDays(14), TimeSpan.FromDays(7));
        await new DatasetBranches(_database, _store, datasets, _time).Create("wanted", "notes@v1", tag: true);
        await _gc.Apply(plan);
        Assert.Null(datasets.Show("notes@v1").Dropped);
        Assert.NotNull(datasets.Show("notes@v2").Dropped);
        for (var i = 0; i < 3; i++) await Collect(8);
        Assert.Equal(9, await _store.Length(Digest.Of("version 1"u8)));
        Assert.Null(await _store.Length(Digest.Of("version 2"u8)));
    }

    [Fact]
    public async Task A_rule_that_keeps_nothing_or_is_of_no_dataset_is_refused()
    {
        var retention = new DatasetRetention(_database, _time);
        Assert.Equal(TaktError.Invalid, (await Assert.ThrowsAsync<TaktException>(() => retention.Set(new("notes", 0, null)))).Error);
        Assert.Equal(TaktError.Invalid, (await Assert.ThrowsAsync<TaktException>(() => retention.Set(new("notes", null, null)))).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => retention.Set(new("notes", 1, null)))).Error);
    }

    [Fact]
    public async Task When_something_that_is_referred_to_is_missing_nothing_is_removed_and_it_is_named()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        File.WriteAllText(Path.Combine(_folder, "a.txt"), "here today");
        var commit = (await datasets.Collect("notes", _folder, ["a.txt"])).Commit;
        await _store.Delete(Digest.Of("here today"u8));
        var e = await Assert.ThrowsAsync<TaktException>(() => _gc.Plan(default, default));
        Assert.Contains("nothing is removed", e.Message);
        Assert.Contains(Digest.Of("here today"u8).ToString(), e.Message);
        Assert.Contains(await DatasetCheck.Of(_database, _store, data: true), fault => fault.Contains("a.txt", StringComparison.Ordinal) && fault.Contains(commit.Id.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_pack_mostly_unused_is_written_anew_and_what_is_used_stays()
    {
        await using (var writer = await _store.Begin("test"))
        {
            var kept = writer.Add("kept"u8);
            for (var i = 0; i < 20; i++) writer.Add(System.Text.Encoding.UTF8.GetBytes($"garbage {i}"));
            await writer.Commit(session => session.Execute($"insert into dataset_pin(tree, path, pinned) values({kept.Digest}, {"x"}, {0L})"));
        }
        Assert.Equal([GcAction.Rewrite], await Collect(15));
        Assert.Equal([GcAction.Remove], await Collect(8));
        Assert.Equal(4, await _store.Length(Digest.Of("kept"u8)));
        Assert.Null(await _store.Length(Digest.Of("garbage 3"u8)));
        Assert.Equal([], await StoreCheck.Of(_store, data: true, default));
    }

    [Fact]
    public async Task Packs_that_a_killed_session_published_go_after_a_day()
    {
        await using (var writer = await _store.Begin("test"))
        {
            writer.Add("never committed"u8);
            await Assert.ThrowsAsync<InvalidOperationException>(() => writer.Commit(_ => throw new InvalidOperationException()));
        }
        Assert.Empty(await Collect());
        Assert.Equal([GcAction.Remove, GcAction.Remove], await Collect(1.1));
    }
}
