using Microsoft.Data.Sqlite;
using Takt.Storage.Migrations;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

public sealed class SqliteFileTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string File(string name = "t.db") => Path.Combine(_folder, name);

    static readonly Migration First = new("001_a.sql", "create table a(v bigint);");
    static readonly Migration Second = new("002_b.sql", "insert into a(v) values(1);\n--sqlite\ncreate table only_here(v bigint);\n--end\n--postgresql\nnot sql\n--end\n");

    [Fact]
    public async Task Migrations_run_in_order_and_once()
    {
        await using (SqliteFile.Open(File(), [First])) { }
        for (var i = 0; i < 3; i++)
            await using (SqliteFile.Open(File(), [First, Second])) { }
        await using var database = SqliteFile.Open(File(), [First, Second]);
        Assert.Equal(1, database.Read(s => s.Number($"select count(*) from a")));
        Assert.Equal(0, database.Read(s => s.Number($"select count(*) from only_here")));
        Assert.Equal(["001_a.sql", "002_b.sql"], database.Read(s => s.Query($"select name from migration order by name", row => row.Text(0))));
    }

    [Fact]
    public async Task A_migration_that_fails_leaves_the_database_as_it_was()
    {
        await using (SqliteFile.Open(File(), [First])) { }
        Assert.ThrowsAny<Exception>(() => SqliteFile.Open(File(), [First, Second, new("003_bad.sql", "create table c(v bigint); create tabel d(v bigint);")]));
        await using var database = SqliteFile.Open(File(), [First]);
        Assert.Equal(0, database.Read(s => s.Number($"select count(*) from a")));
        Assert.Equal(0, database.Read(s => s.Number($"select count(*) from sqlite_master where name in ('c', 'only_here')")));
    }

    [Fact]
    public async Task Many_that_open_a_new_database_at_once_migrate_it_once()
    {
        for (var round = 0; round < 5; round++)
        {
            var path = File($"{round}.db");
            var all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => SqliteFile.Open(path, [First, Second]))));
            Assert.Equal(1, all[0].Read(s => s.Number($"select count(*) from a")));
            foreach (var database in all) await database.DisposeAsync();
        }
    }

    [Fact]
    public async Task Many_connections_together_keep_no_more_of_the_file_in_memory_than_they_may()
    {
        var large = new Migration("002_large.sql", "create table large(v bytea); with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) insert into large select randomblob(4000) from n;");
        await using var database = SqliteFile.Open(File(), [First, large]);
        // each has read more than it may keep by itself, and twelve would keep 96 MB
        Assert.InRange(Deeper(12), 40L << 20, SqliteFile.CacheOfAll + (4 << 20));

        long Deeper(int connections) => connections == 0 ? SQLitePCL.raw.sqlite3_memory_used()
            : database.Read(session => session.Number($"select sum(length(v)) from large") == 12_000_000 ? Deeper(connections - 1) : 0);
    }

    [Fact]
    public async Task What_the_disk_did_not_keep_is_refused_and_so_is_all_that_would_come_after_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere SQLite syncs its log itself");
        await using (SqliteFile.Open(File(), [First])) { }
        await using var database = SqliteFile.Open(File(), [First], journal: "/dev/null"); // can't be synced
        for (var i = 0; i < 3; i++)
        {
            var e = await Assert.ThrowsAsync<TaktException>(() => database.Write(s => { s.Execute($"insert into a(v) values(1)"); }));
            Assert.Equal(TaktError.Unavailable, e.Error);
            Assert.Contains("the disk did not keep what was written to '/dev/null'", e.Message);
        }
        Assert.InRange(database.Read(s => s.Number($"select count(*) from a"))!.Value, 0, 1); // the first may be there, nothing behind it
    }

    [Fact]
    public async Task The_log_is_written_ahead_so_that_commits_seldom_make_it_longer_and_what_is_ahead_is_no_commit()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere SQLite syncs its log itself");
        var lengths = new HashSet<long>();
        await using (var database = SqliteFile.Open(File(), [First]))
        {
            for (var i = 0; i < 100; i++)
            {
                await database.Write(s => { s.Execute($"insert into a(v) values({i})"); });
                lengths.Add(new FileInfo(File() + "-wal").Length);
            }
            Assert.InRange(lengths.Count, 2, 6); // one page of 4 KiB a commit
            // as after a power cut: the file and its log, with nobody to close them
            System.IO.File.Copy(File(), File("cut.db"));
            System.IO.File.Copy(File() + "-wal", File("cut.db-wal"));
        }
        await using var recovered = SqliteFile.Open(File("cut.db"), [First]);
        Assert.Equal(100, recovered.Read(s => s.Number($"select count(*) from a")));
        await recovered.Write(s => { s.Execute($"insert into a(v) values(100)"); });
        Assert.Equal("ok", recovered.Read(s => s.Text($"pragma integrity_check")));
        Assert.Equal(101, recovered.Read(s => s.Number($"select count(*) from a")));
    }

    [Fact]
    public async Task A_database_of_a_newer_version_is_refused_by_name_and_not_touched()
    {
        await using (SqliteFile.Open(File(), [First, Second])) { }
        var e = Assert.Throws<TaktException>(() => SqliteFile.Open(File(), [First]));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains("newer Takt (it has 002_b.sql)", e.Message);
    }

    [Fact]
    public void A_database_of_another_program_is_refused()
    {
        using (var foreign = new SqliteConnection($"Data Source={File()};Pooling=false"))
        {
            foreign.Open();
            using var command = foreign.CreateCommand();
            command.CommandText = "create table songs(title text)";
            command.ExecuteNonQuery();
        }
        var e = Assert.Throws<TaktException>(() => SqliteFile.Open(File(), [First]));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains("'songs'", e.Message);
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused_in_one_line()
    {
        System.IO.File.WriteAllText(File(), string.Concat(Enumerable.Repeat("this is not a database ", 100)));
        var e = Assert.Throws<TaktException>(() => SqliteFile.Open(File()));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains("not a SQLite database", e.Message);
        Assert.Contains(File(), e.Message);
    }

    [Fact]
    public async Task A_damaged_database_is_told_with_what_to_do()
    {
        await using (var database = SqliteFile.Open(File(), [First]))
            await database.Write(s => { for (var i = 0; i < 20_000; i++) s.Execute($"insert into a(v) values({i})"); });
        await using (var file = new FileStream(File(), FileMode.Open, FileAccess.Write))
        {
            file.Position = 4096 * 3;
            file.Write(Enumerable.Repeat((byte)0xA5, 4096 * 4).ToArray());
        }
        var e = await Assert.ThrowsAsync<TaktException>(async () =>
        {
            await using var database = SqliteFile.Open(File(), [First]);
            database.Read(s => s.Number($"select sum(v) from a"));
        });
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains("damaged", e.Message);
        Assert.Contains(".recover", e.Message);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_told_with_the_path()
    {
        System.IO.File.WriteAllText(File("file"), "");
        var e = Assert.ThrowsAny<Exception>(() => SqliteFile.Open(Path.Combine(File("file"), "takt.db")));
        Assert.Contains(File("file"), e.Message);
        Assert.IsType<TaktException>(e);
    }

    [Theory]
    [InlineData(5, TaktError.Unavailable, "another process")]
    [InlineData(8, TaktError.Denied, "can't be written")]
    [InlineData(11, TaktError.Invalid, "damaged")]
    [InlineData(13, TaktError.Unavailable, "disk full")]
    [InlineData(14, TaktError.Denied, "can't be opened")]
    [InlineData(26, TaktError.Invalid, "not a SQLite database")]
    public void Each_known_code_has_its_words(int code, TaktError error, string words)
    {
        var e = SqliteFaults.Explain("/x/t.db", new SqliteException("m", code))!;
        Assert.Equal(error, e.Error);
        Assert.Contains(words, e.Message);
        Assert.Contains("/x/t.db", e.Message);
    }

    [Fact]
    public void A_broken_constraint_is_not_a_fault_of_the_disk() => Assert.Null(SqliteFaults.Explain("/x/t.db", new SqliteException("m", 19)));
}
