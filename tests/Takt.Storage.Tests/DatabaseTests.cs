using System.Diagnostics;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

public sealed class DatabaseTests : IDisposable
{
    const string ChildFile = "TAKT_TEST_CHILD_DATABASE";

    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    Database Open() => SqliteFile.Open(Path.Combine(_folder, "t.db"));

    static Task Insert(Database database, long v) => database.Write(s => { s.Execute($"insert into n(v) values({v})"); });

    async Task<Database> OpenWithTable()
    {
        var database = Open();
        await database.Write(s => { s.Execute($"create table n(v integer primary key)"); });
        return database;
    }

    [Fact]
    public async Task A_failing_write_rolls_back_alone_within_its_group()
    {
        await using var database = await OpenWithTable();
        var writes = Enumerable.Range(0, 200).Select(i => database.Write(s =>
        {
            s.Execute($"insert into n(v) values({i})");
            if (i % 10 == 3) throw new InvalidOperationException("no");
        })).ToList();
        foreach (var write in writes)
            try { await write; } catch (InvalidOperationException) { }
        Assert.Equal(180, database.Read(s => s.Number($"select count(*) from n")));
        Assert.Null(database.Read(s => s.Number($"select v from n where v = {13}")));
    }

    [Fact]
    public async Task A_broken_constraint_fails_its_caller_only_and_the_writer_goes_on()
    {
        await using var database = await OpenWithTable();
        await Insert(database, 1);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Insert(database, 1));
        await Insert(database, 2);
        Assert.Equal(2, database.Read(s => s.Number($"select count(*) from n")));
    }

    [Fact]
    public async Task Writes_are_done_in_the_order_they_were_asked_for()
    {
        await using var database = await OpenWithTable();
        var order = new List<int>();
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => database.Write(s => { order.Add(i); s.Execute($"insert into n(v) values({i})"); })));
        Assert.Equal(Enumerable.Range(0, 1000), order);
    }

    [Fact]
    public async Task All_queries_of_one_read_see_the_same_moment()
    {
        await using var database = await OpenWithTable();
        var (before, after) = database.Read(s =>
        {
            var first = s.Number($"select count(*) from n");
            Insert(database, 7).GetAwaiter().GetResult();
            return (first, s.Number($"select count(*) from n"));
        });
        Assert.Equal((0, 0), (before, after));
        Assert.Equal(1, database.Read(s => s.Number($"select count(*) from n")));
    }

    [Fact]
    public async Task A_read_that_writes_is_refused_rather_than_undone()
    {
        await using var database = await OpenWithTable();
        Assert.Throws<InvalidOperationException>(() => database.Read(s => s.Execute($"insert into n(v) values({1})")));
    }

    [Fact]
    public async Task One_statement_takes_values_of_every_kind_in_turn()
    {
        await using var database = Open();
        await database.Write(s => { s.Execute($"create table any_value(v)"); });
        foreach (var value in new object?[] { 1L, "text", null, 2.5, new byte[] { 1, 2 }, true, TaktError.Denied })
            await database.Write(s => { s.Execute($"insert into any_value(v) values({value})"); });
        Assert.Equal(["integer", "text", "null", "real", "blob", "integer", "text"],
            database.Read(s => s.Query($"select typeof(v) from any_value order by rowid", row => row.Text(0))));
    }

    [Fact]
    public async Task Equal_SQL_with_other_values_reads_other_rows_even_while_it_is_being_read()
    {
        await using var database = await OpenWithTable();
        for (var i = 0; i < 4; i++) await Insert(database, i);
        var pairs = await database.Write(s => s.Query($"select v from n where v < {3} order by v",
            row => (row.Number(0), s.Query($"select v from n where v < {1} order by v", inner => inner.Number(0)).Count)));
        Assert.Equal([(0, 1), (1, 1), (2, 1)], pairs);
    }

    [Fact]
    public async Task Closing_finishes_what_is_queued_and_then_says_that_it_is_closed()
    {
        var database = await OpenWithTable();
        var writes = Enumerable.Range(0, 500).Select(i => Insert(database, i)).ToList();
        await database.DisposeAsync();
        await Task.WhenAll(writes);
        Assert.Equal(TaktError.Unavailable, (await Assert.ThrowsAsync<TaktException>(() => Insert(database, 1000))).Error);
        await using var again = Open();
        Assert.Equal(500, again.Read(s => s.Number($"select count(*) from n")));
    }

    [Fact]
    public async Task A_full_disk_is_told_to_everyone_it_hit_and_the_writer_goes_on_once_there_is_space()
    {
        using var disk = SmallDisk.Mount(4);
        var filler = Path.Combine(disk.Folder, "filler");
        await using var database = SqliteFile.Open(Path.Combine(disk.Folder, "t.db"));
        await database.Write(s => { s.Execute($"create table n(v integer primary key, b blob)"); });
        await using (var file = new FileStream(filler, FileMode.Create, FileAccess.Write, FileShare.None, 0))
            try { for (; ; ) file.Write(new byte[4096]); } catch (IOException) { }
        // more than was written ahead of the log
        var writes = Enumerable.Range(0, 20).Select(i => database.Write(s => { s.Execute($"insert into n(v, b) values({i}, {new byte[3_000_000]})"); })).ToList();
        foreach (var write in writes)
        {
            var e = await Assert.ThrowsAsync<TaktException>(() => write);
            Assert.Equal(TaktError.Unavailable, e.Error);
            Assert.Contains("disk full", e.Message);
            Assert.Contains(disk.Folder, e.Message);
        }
        File.Delete(filler);
        await database.Write(s => { s.Execute($"insert into n(v) values({1})"); });
        Assert.Equal(1, database.Read(s => s.Number($"select count(*) from n")));
    }

    [Fact]
    public async Task Every_row_that_was_acknowledged_is_there_after_kill_9()
    {
        var path = Path.Combine(_folder, "killed.db");
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "Takt.Storage.Tests.dll"), "-explicit", "only", "-method", "*.The_child_that_is_killed"])
        {
            Environment = { [ChildFile] = path, ["TMPDIR"] = _folder }, // what it leaves behind goes with the folder
            RedirectStandardOutput = true,
        };
        using var child = Process.Start(start)!;
        var acknowledged = path + ".acknowledged";
        var patience = Stopwatch.StartNew();
        while ((!File.Exists(acknowledged) || new FileInfo(acknowledged).Length < 20_000) && patience.Elapsed < TimeSpan.FromMinutes(5))
            await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.False(child.HasExited, "the child ended before it was killed");
        child.Kill(); // SIGKILL
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);

        // the last line may be torn: only the acknowledgement of a whole line counts
        var lines = File.ReadAllText(acknowledged).Split('\n')[..^1].Select(long.Parse).ToList();
        Assert.True(lines.Count > 1000);
        await using var database = SqliteFile.Open(path);
        var there = database.Read(s => s.Query($"select v from n", row => row.Number(0))).ToHashSet();
        Assert.Equal([], lines.Except(there));
        Assert.Equal("ok", database.Read(s => s.Text($"pragma integrity_check")));
    }

    [Fact(Explicit = true)]
    public async Task The_child_that_is_killed()
    {
        if (Environment.GetEnvironmentVariable(ChildFile) is not { } path) return;
        await using var database = SqliteFile.Open(path);
        await database.Write(s => { s.Execute($"create table n(v integer primary key)"); });
        await using var acknowledged = new FileStream(path + ".acknowledged", FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite, 0);
        long next = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            for (; ; )
            {
                var v = Interlocked.Increment(ref next);
                await Insert(database, v);
                lock (acknowledged) acknowledged.Write(System.Text.Encoding.ASCII.GetBytes($"{v}\n"));
            }
        })));
    }
}
