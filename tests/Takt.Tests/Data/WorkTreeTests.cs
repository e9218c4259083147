#pragma warning disable CA1416 // modes of files: the tests run on Linux
using System.Security.Cryptography;
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Tests.Data;

public sealed class WorkTreeTests : WorkTreeFixture
{
    List<string> Status() => _tree.Status(_tree.Named(PathOf("data")), () => _paths.Tree(_tree.Named(PathOf("data")))).Select(change => $"{change.What} {change.Path}").ToList();

    [Fact]
    public async Task A_folder_that_was_added_has_a_pointer_is_ignored_by_git_and_shows_its_changes()
    {
        var commit = await Add();
        Assert.Equal(commit.Id, DatasetPointer.Read(PathOf("data.takt")).Commit);
        Assert.Equal("/data/\n", File.ReadAllText(PathOf(".gitignore")));
        Assert.Empty(Status());
        Write("data/a.txt", "A");
        Write("data/c.txt", "c");
        File.Delete(PathOf("data/sub/b.txt"));
        Assert.Equal(["changed data/a.txt", "added data/c.txt", "removed data/sub/b.txt"], Status());
        Assert.Equal(2, (await Add()).Files);
        Assert.Empty(Status());
        Assert.Equal(2, _datasets.Log("data").Count);
    }

    [Fact]
    public async Task A_change_within_one_tick_of_the_clock_that_keeps_the_size_is_seen()
    {
        for (var i = 0; i < 20; i++)
        {
            Write("data/a.txt", "a" + (i % 2));
            await Add();
            Write("data/a.txt", "b" + (i % 2));
            Assert.Equal(["changed data/a.txt"], Status());
        }
    }

    [Fact]
    public async Task Checkout_brings_back_every_kind_of_file_and_nothing_else()
    {
        var odd = "new\nline ü " + new string('n', 240);
        Write($"data/{odd}", "odd");
        Write("data/empty", "");
        Write("data/run.sh", "#!/bin/sh\n");
        File.SetUnixFileMode(PathOf("data/run.sh"), File.GetUnixFileMode(PathOf("data/run.sh")) | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(PathOf("data/link"), "sub/b.txt");
        File.WriteAllBytes(PathOf("data/large.bin"), RandomNumberGenerator.GetBytes(3_000_000));
        var large = SHA256.HashData(File.ReadAllBytes(PathOf("data/large.bin")));
        await Add();
        Directory.Delete(PathOf("data"), recursive: true);
        Assert.Equal(["removed data/"], Status());
        await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false);
        Assert.Empty(Status());
        Assert.Equal("odd", File.ReadAllText(PathOf($"data/{odd}")));
        Assert.Equal("sub/b.txt", new FileInfo(PathOf("data/link")).LinkTarget);
        Assert.True(File.GetUnixFileMode(PathOf("data/run.sh")).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal(large, SHA256.HashData(File.ReadAllBytes(PathOf("data/large.bin"))));
        Assert.Equal((0, 0), await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false));
    }

    [Fact]
    public async Task A_file_becomes_a_folder_and_a_folder_a_file_between_versions_and_what_is_ignored_keeps_its_folder()
    {
        Directory.CreateDirectory(PathOf("data/sub/deep"));
        Write("data/sub/deep/d.txt", "d");
        Directory.CreateDirectory(PathOf("data/other"));
        Write("data/other/x", "x");
        var folders = await Add();
        Directory.Delete(PathOf("data/sub"), recursive: true);
        Directory.Delete(PathOf("data/other"), recursive: true);
        Write("data/sub", "a file now");
        var file = await Add();
        Write(".taktignore", "*.tmp\n");
        await _paths.Checkout(_tree.Named(PathOf("data")), folders, force: false);
        Assert.Equal("d", File.ReadAllText(PathOf("data/sub/deep/d.txt")));
        Write("data/other/mine.tmp", "mine");
        await _paths.Checkout(_tree.Named(PathOf("data")), file, force: false);
        Assert.Equal("a file now", File.ReadAllText(PathOf("data/sub")));
        Assert.Equal([PathOf("data/other/mine.tmp")], Directory.GetFiles(PathOf("data/other")));
        Assert.Empty(Status());
    }

    [Fact]
    public async Task Checkout_never_loses_what_the_store_does_not_have()
    {
        await Add();
        Write("data/a.txt", "never added");
        Write("data/mine.txt", "nor this");
        var e = await Assert.ThrowsAsync<TaktException>(() => _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false));
        Assert.Equal(TaktError.Conflict, e.Error);
        Assert.Contains("data/a.txt", e.Message);
        Assert.Contains("data/mine.txt", e.Message);
        Assert.Equal("never added", File.ReadAllText(PathOf("data/a.txt")));
        await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: true);
        Assert.Equal("a", File.ReadAllText(PathOf("data/a.txt")));
        Assert.False(File.Exists(PathOf("data/mine.txt")));
    }

    [Fact]
    public async Task What_taktignore_names_is_no_data_and_stays_where_it_is()
    {
        Write(".taktignore", "# comment\n\n*.tmp\n!keep.tmp\n/data/cache/\ndata/sub/**/x?.[ab-c]\n\\#odd\nlogs/\n");
        foreach (var folder in new[] { "data/cache", "data/sub/cache", "data/sub/deep/deeper", "data/logs" }) Directory.CreateDirectory(PathOf(folder));
        foreach (var file in new[] { "data/1.tmp", "data/sub/2.tmp", "data/keep.tmp", "data/cache/c", "data/sub/cache/c", "data/sub/deep/deeper/x1.a", "data/sub/deep/deeper/x1.d", "data/#odd", "data/logs/l" }) Write(file, file);
        var commit = await Add();
        Assert.Equal(["a.txt", "keep.tmp", "sub/b.txt", "sub/cache/c", "sub/deep/deeper/x1.d"], (await _datasets.Tree(commit)).Files.Select(file => file.Path));
        Assert.Empty(Status());
        Write("data/3.tmp", "new");
        Assert.Empty(Status());
        File.Delete(PathOf("data/a.txt"));
        Assert.Equal((1, 0), await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false));
        Assert.Equal("new", File.ReadAllText(PathOf("data/3.tmp")));
        // one that a version has is data of that version and is not overwritten unseen
        File.Delete(PathOf(".taktignore"));
        var all = await Add();
        Write(".taktignore", "*.tmp\n");
        Write("data/3.tmp", "mine");
        Assert.Contains("data/3.tmp", (await Assert.ThrowsAsync<TaktException>(() => _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false))).Message);
        Assert.Equal(["removed data/1.tmp", "removed data/3.tmp", "removed data/keep.tmp", "removed data/sub/2.tmp"], Status());
        Assert.Equal(all.Files - 4, (await Add()).Files);
        Write(".taktignore", "ok\n[z-a]\n");
        Assert.Contains(", line 2: '[z-a]'", Assert.Throws<TaktException>(() => Status()).Message);
    }

    [Fact]
    public async Task A_single_files_pointer_is_what_git_lfs_writes()
    {
        Write("raw.csv", "x\n1\n");
        await _paths.Add("raw.csv", null, "main", "");
        Assert.Equal($"version https://git-lfs.github.com/spec/v1\noid sha256:{Convert.ToHexStringLower(SHA256.HashData("x\n1\n"u8))}\nsize 4\n", File.ReadAllText(PathOf("raw.csv.takt")));
        File.Delete(PathOf("raw.csv"));
        await _paths.Checkout(_tree.Named(PathOf("raw.csv")), only: null, force: false);
        Assert.Equal("x\n1\n", File.ReadAllText(PathOf("raw.csv")));
    }

    [Fact]
    public async Task A_pointer_to_a_version_that_is_nowhere_is_named()
    {
        await Add();
        new DatasetPointer("data", Digest.Of("no commit"u8), Digest.Of("no tree"u8), 1, 1).Write(PathOf("data.takt"));
        var e = await Assert.ThrowsAsync<TaktException>(() => _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false));
        Assert.Equal(TaktError.NotFound, e.Error);
        Assert.Contains(Digest.Of("no commit"u8).ToString(), e.Message);
    }

    [Fact]
    public async Task Branches_grow_apart_and_are_merged()
    {
        await Add();
        var branches = new DatasetBranches(_database, _store, _datasets, TimeProvider.System);
        await branches.Create("cleaned", "data", tag: false);
        await branches.Create("first", "data@v1", tag: true);
        Write("data/a.txt", "cleaned");
        await Add("cleaned");
        Write("data/a.txt", "a");
        Write("data/new.txt", "n");
        await Add();
        var merged = await branches.Merge("data@cleaned");
        Assert.Equal((3, 2), (merged.Files, merged.Parents.Count));
        await _paths.Checkout(_tree.Named(PathOf("data")), merged, force: false);
        Assert.Null(merged.Profile);
        Assert.Equal("cleaned", File.ReadAllText(PathOf("data/a.txt")));
        Assert.Equal(merged.Id, (await branches.Merge("data@cleaned")).Id);
        Assert.Equal(TaktError.Conflict, (await Assert.ThrowsAsync<TaktException>(() => branches.Create("first", "data", tag: true))).Error);
    }

    [Fact]
    public async Task An_older_version_that_was_checked_out_is_no_new_one_and_work_on_it_never_undoes_what_came_between()
    {
        var first = await Add();
        Write("data/a.txt", "second");
        var second = await Add();
        await _paths.Checkout(_tree.Named(PathOf("data")), first, force: false);
        var (same, isNew, _) = await _paths.Add("data", null, "main", "");
        Assert.Equal((first.Id, false), (same!.Id, isNew));
        Assert.Equal(second.Id, _datasets.Show("data").Id);
        Write("data/fix.txt", "fix");
        Assert.Contains("'takt data commit data --branch NAME'", (await Assert.ThrowsAsync<TaktException>(() => Add())).Message);
        var fix = await Add("fix");
        Assert.Equal([first.Id], fix.Parents);
        var branches = new DatasetBranches(_database, _store, _datasets, TimeProvider.System);
        var merged = await branches.Merge("data@fix");
        Assert.Equal(3, merged.Files);
        await _paths.Checkout(_tree.Named(PathOf("data")), merged, force: false);
        Assert.Equal("second", File.ReadAllText(PathOf("data/a.txt")));
        // a branch that is moved back takes new versions from there; main itself stays
        await branches.Create("main", "data@v1", tag: false, move: true);
        await _paths.Checkout(_tree.Named(PathOf("data")), first, force: false);
        Write("data/a.txt", "other");
        Assert.Equal([first.Id], (await Add()).Parents);
        Assert.Contains("--move", (await Assert.ThrowsAsync<TaktException>(() => branches.Delete("data", "main", tag: false))).Message);
        await branches.Create("t", "data", tag: true);
        await Assert.ThrowsAsync<TaktException>(() => branches.Create("t", "data@v1", tag: false, move: true));
    }

    [Fact]
    public async Task What_was_left_out_of_a_checkout_is_not_removed_and_no_version_is_made_without_it()
    {
        await Add();
        File.Delete(PathOf("data/a.txt"));
        await _paths.Checkout(_tree.Named(PathOf("data")), only: "sub", force: false);
        Assert.Equal(["removed data/a.txt"], Status()); // by its user: the folder was whole
        Directory.Delete(PathOf("data"), recursive: true);
        await _paths.Checkout(_tree.Named(PathOf("data")), only: "sub", force: false);
        Assert.Empty(Status());
        Assert.Contains("'takt data checkout data'", (await Assert.ThrowsAsync<TaktException>(() => Add())).Message);
        File.Delete(PathOf("data/sub/b.txt"));
        Assert.Equal(["removed data/sub/b.txt"], Status());
        await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false);
        Write("data/c.txt", "c");
        Assert.Equal(3, (await Add()).Files);
    }

    [Theory]
    [InlineData("data/sub/b.txt", "'takt data commit data'")]
    [InlineData(".takt/store", "Takt keeps")]
    [InlineData(".git/hooks", "git keeps")]
    public async Task What_is_part_of_a_tracked_folder_or_gits_or_takts_own_is_not_added(string path, string told)
    {
        await Add();
        Directory.CreateDirectory(PathOf(".git/hooks"));
        Assert.Contains(told, (await Assert.ThrowsAsync<TaktException>(() => _paths.Add(path, null, "main", ""))).Message);
        Assert.Empty(Status());
    }

    [Fact]
    public async Task What_a_killed_checkout_left_is_never_data_and_goes_with_the_next_one()
    {
        using var gone = System.Diagnostics.Process.Start("true");
        await gone.WaitForExitAsync(TestContext.Current.CancellationToken);
        await Add();
        var (inside, beside, alive) = ($"data/sub/.takt-{gone.Id}-{Guid.NewGuid():N}.tmp", $".takt-{gone.Id}-{Guid.NewGuid():N}.tmp", $"data/.takt-{Environment.ProcessId}-{Guid.NewGuid():N}.tmp");
        Write(inside, "half");
        Write(alive, "another thread's");
        Directory.CreateDirectory(PathOf(beside));
        Write($"{beside}/a.txt", "half");
        Assert.Empty(Status());
        Assert.Equal(2, (await Add()).Files);
        Directory.CreateDirectory(PathOf("data/empty"));
        File.Delete(PathOf("data/a.txt"));
        await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false);
        Assert.False(File.Exists(PathOf(inside)));
        Assert.False(Directory.Exists(PathOf(beside)));
        Assert.True(File.Exists(PathOf(alive)));
        Assert.Equal("a", File.ReadAllText(PathOf("data/a.txt")));
    }

    [Fact]
    public async Task Missing_folders_come_back_beside_those_that_stand()
    {
        Directory.CreateDirectory(PathOf("data/deep/er/still"));
        Write("data/deep/er/still/c.txt", "c");
        Write("data/deep/d.txt", "d");
        await Add();
        Directory.Delete(PathOf("data/deep"), recursive: true);
        File.Delete(PathOf("data/sub/b.txt"));
        Assert.Equal((3, 0), await _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false));
        Assert.Empty(Status());
        Assert.Equal("c", File.ReadAllText(PathOf("data/deep/er/still/c.txt")));
        Directory.Delete(PathOf("data"), recursive: true);
        Assert.Equal((1, 0), await _paths.Checkout(_tree.Named(PathOf("data")), only: "deep/er", force: false));
        Assert.Equal(["data/deep/er/still/c.txt"], Directory.GetFiles(PathOf("data"), "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(_folder, file)));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(_folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }), path => path.EndsWith(".tmp", StringComparison.Ordinal) && !path.Contains("/store/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_changes_a_file_while_others_are_checked_out_is_not_taken_for_the_checkout()
    {
        Directory.CreateDirectory(PathOf("data/more"));
        for (var i = 0; i < 3000; i++) Write($"data/more/{i}.txt", $"{i}");
        await Add();
        Directory.Delete(PathOf("data/more"), recursive: true);
        var checkout = Task.Run(() => _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false), TestContext.Current.CancellationToken);
        while (!checkout.IsCompleted && Directory.GetDirectories(PathOf("data"), ".takt-*.tmp").Length == 0) await Task.Yield();
        Write("data/a.txt", "A"); // it was looked at before
        Assert.Equal((3000, 0), await checkout);
        Assert.Equal(["changed data/a.txt"], Status());
    }

    [Fact]
    public async Task What_the_store_has_lost_fails_for_itself_alone_and_is_named()
    {
        Write("data/lost.txt", "lost");
        await Add();
        await _store.Delete(Digest.Of("lost"u8), TestContext.Current.CancellationToken);
        Directory.Delete(PathOf("data"), recursive: true);
        var e = await Assert.ThrowsAsync<TaktException>(() => _paths.Checkout(_tree.Named(PathOf("data")), only: null, force: false));
        Assert.Contains("'data/lost.txt'", e.Faults[0]);
        Assert.Equal("a", File.ReadAllText(PathOf("data/a.txt")));
        Assert.False(File.Exists(PathOf("data/lost.txt")));
    }
}
