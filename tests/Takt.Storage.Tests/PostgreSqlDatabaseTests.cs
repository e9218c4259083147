using System.Diagnostics;
using Npgsql;
using Takt.Storage.Migrations;
using Takt.Storage.PostgreSql;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

public sealed class PostgreSqlDatabaseTests(PostgreSqlServer server)
{
    const string ChildAddress = "TAKT_TEST_CHILD_ADDRESS", ChildFile = "TAKT_TEST_CHILD_FILE";

    static readonly Migration First = new("001_a.sql", "create table a(v bigint);");
    static readonly Migration Second = new("002_b.sql", "insert into a(v) values(1);\n--postgresql\ncreate table only_here(v bigint);\n--end\n--sqlite\nnot sql\n--end\n");

    [Fact]
    public async Task Many_servers_that_start_at_once_migrate_once()
    {
        for (var round = 0; round < 3; round++)
        {
            var address = await server.NewSchema();
            var all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => PostgreSqlDatabase.Open(address, [First, Second]))));
            Assert.Equal(1, all[0].Read(s => s.Number($"select count(*) from a")));
            Assert.Equal(0, all[1].Read(s => s.Number($"select count(*) from only_here")));
            foreach (var database in all) await database.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_server_that_brings_new_tables_starts_beside_one_that_writes()
    {
        var address = await server.NewSchema();
        await using var old = PostgreSqlDatabase.Open(address, [First]);
        var writes = Enumerable.Range(0, 200).Select(i => Task.Run(() => old.Write(s => { s.Execute($"insert into a(v) values({i})"); }))).ToList();
        await using var newer = PostgreSqlDatabase.Open(address, [First, Second]);
        await Task.WhenAll(writes);
        Assert.Equal(201, newer.Read(s => s.Number($"select count(*) from a")));
    }

    [Fact]
    public async Task A_migration_that_fails_leaves_the_database_as_it_was()
    {
        var address = await server.NewSchema();
        await using (PostgreSqlDatabase.Open(address, [First])) { }
        Assert.ThrowsAny<Exception>(() => PostgreSqlDatabase.Open(address, [First, Second, new("003_bad.sql", "create tabel d(v bigint);")]));
        await using var database = PostgreSqlDatabase.Open(address, [First]);
        Assert.Equal(0, database.Read(s => s.Number($"select count(*) from a")));
    }

    [Fact]
    public async Task A_schema_of_a_newer_version_or_of_another_program_is_refused()
    {
        var address = await server.NewSchema();
        await using (PostgreSqlDatabase.Open(address, [First, Second])) { }
        Assert.Contains("newer Takt (it has 002_b.sql)", Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(address, [First])).Message);

        var foreign = await server.NewSchema();
        await using (PostgreSqlDatabase.Open(foreign, [])) { }
        await Run(foreign, "create table songs(title text)");
        Assert.Contains("'songs'", Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(foreign, [First])).Message);
    }

    [Fact]
    public async Task Two_schemas_of_one_database_are_two_databases()
    {
        await using var one = PostgreSqlDatabase.Open(await server.NewSchema(), [First]);
        await using var two = PostgreSqlDatabase.Open(await server.NewSchema(), [First]);
        await one.Write(s => { s.Execute($"insert into a(v) values(1)"); });
        Assert.Equal(0, two.Read(s => s.Number($"select count(*) from a")));
    }

    [Fact]
    public void A_server_that_is_not_there_is_told_with_its_place()
    {
        var e = Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open("postgres://takt:hunter2@127.0.0.1:1/x"));
        Assert.Equal(TaktError.Unavailable, e.Error);
        Assert.Contains("postgres://127.0.0.1:1/x", e.Message);
        Assert.DoesNotContain("hunter2", e.ToString());
    }

    [Fact]
    public async Task A_wrong_password_and_a_missing_database_are_told_apart_and_neither_shows_a_password()
    {
        var address = await server.Address;
        var login = Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(address.Replace("takt@", "takt:hunter2@")));
        Assert.Equal(TaktError.Denied, login.Error);
        Assert.Contains("PGPASSWORD", login.Message);
        Assert.DoesNotContain("hunter2", login.ToString());
        var missing = Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(address.Replace("/postgres", "/nowhere")));
        Assert.Equal(TaktError.NotFound, missing.Error);
        Assert.Contains("nowhere", missing.Message);
    }

    [Fact]
    public async Task A_user_without_rights_is_told_which()
    {
        var address = await server.NewSchema();
        await Run(await server.Address, "do $$ begin if not exists (select 1 from pg_roles where rolname = 'guest') then create role guest login password 'takt-secret'; end if; end $$");
        var e = Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(address.Replace("takt@", "guest@")));
        Assert.Equal(TaktError.Denied, e.Error);
        Assert.Contains("permission denied", e.Message);
    }

    [Theory]
    [InlineData("postgres://takt@host/db?search_path=a,b", "one schema")]
    [InlineData("postgres://takt@host/db?serch_path=a", "'serch_path'")]
    [InlineData("postgres://takt@host:port/db", "can't be read")]
    [InlineData("Host=;Database=x", "no host")]
    [InlineData("Hots=h;Password=hunter2", "can't be read")]
    public void An_address_that_means_nothing_is_refused_in_one_line(string address, string words)
    {
        var e = Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(address));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains(words, e.Message);
        Assert.DoesNotContain("hunter2", e.ToString());
    }

    [Fact]
    public async Task A_database_that_answers_before_it_is_durable_is_refused()
    {
        await Run(await server.Address, "create role hasty login superuser password 'takt-secret'; alter role hasty set synchronous_commit = off");
        var e = Assert.Throws<TaktException>(() => PostgreSqlDatabase.Open(server.Address.Result.Replace("takt@", "hasty@"), [First]));
        Assert.Contains("synchronous_commit", e.Message);
    }

    [Fact]
    public async Task Text_that_PostgreSQL_cannot_hold_is_the_callers_fault()
    {
        await using var database = PostgreSqlDatabase.Open(await server.NewSchema());
        var e = await Assert.ThrowsAsync<TaktException>(() => database.Write(s => { s.Execute($"insert into dataset(name, created_at) values({"a\0b"}, {1})"); }));
        Assert.Equal(TaktError.Invalid, e.Error);
    }

    [Fact]
    public async Task After_a_crash_of_the_database_every_acknowledged_row_is_there_and_the_server_goes_on()
    {
        await using var own = new PostgreSqlServer(); // the other tests go on using theirs
        await using var database = PostgreSqlDatabase.Open(await own.Address, [First]);
        var acknowledged = new List<int>();
        using var stop = new CancellationTokenSource();
        var writing = Enumerable.Range(0, 8).Select(w => Task.Run(async () =>
        {
            for (var i = w; !stop.IsCancellationRequested; i += 8)
            {
                try
                {
                    await database.Write(s => { s.Execute($"insert into a(v) values({i})"); });
                    lock (acknowledged) acknowledged.Add(i);
                }
                catch (TaktException e) when (e.Error == TaktError.Unavailable)
                {
                    await Task.Delay(20, CancellationToken.None);
                }
            }
        })).ToList();
        await Task.Delay(500, TestContext.Current.CancellationToken);
        await own.Crash();
        var before = acknowledged.Count;
        var patience = Stopwatch.StartNew();
        while (acknowledged.Count < before + 100 && patience.Elapsed < TimeSpan.FromSeconds(30)) await Task.Delay(20, TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        await Task.WhenAll(writing);
        Assert.True(acknowledged.Count >= before + 100, "no writes after the crash");
        Assert.Equal([], acknowledged.Except(database.Read(s => s.Query($"select v from a", r => (int)r.Number(0)))));
    }

    [Fact]
    public async Task Of_two_servers_one_killed_with_9_neither_loses_an_acknowledged_row()
    {
        var address = await server.NewSchema();
        var file = Path.GetTempFileName();
        await using var database = PostgreSqlDatabase.Open(address, [First]);
        for (var round = 0; round < 3; round++)
        {
            using var child = Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "Takt.Storage.Tests.dll"), "-explicit", "only", "-method", "*.The_other_server"])
            {
                Environment = { [ChildAddress] = address, [ChildFile] = file },
                RedirectStandardOutput = true,
            })!;
            var mine = new List<int>();
            var patience = Stopwatch.StartNew();
            var size = new FileInfo(file).Length;
            while (new FileInfo(file).Length < size + 1000 && patience.Elapsed < TimeSpan.FromMinutes(5)) await WriteOne();
            Assert.False(child.HasExited, "the child ended before it was killed");
            child.Kill(); // SIGKILL
            await child.WaitForExitAsync(TestContext.Current.CancellationToken);
            for (var i = 0; i < 50; i++) await WriteOne();

            var there = database.Read(s => s.Query($"select v from a", r => r.Number(0))).ToHashSet();
            Assert.Equal([], mine.Select(v => (long)v).Except(there));
            Assert.Equal([], (await File.ReadAllTextAsync(file)).Split('\n')[..^1].Select(long.Parse).Except(there));

            async Task WriteOne()
            {
                var v = -Random.Shared.Next(1, int.MaxValue);
                await database.Write(s => { s.Execute($"insert into a(v) values({v})"); });
                mine.Add(v);
            }
        }
        File.Delete(file);
    }

    [Fact(Explicit = true)]
    public async Task The_other_server()
    {
        if (Environment.GetEnvironmentVariable(ChildAddress) is not { } address) return;
        await using var database = PostgreSqlDatabase.Open(address, [First]);
        await using var acknowledged = new FileStream(Environment.GetEnvironmentVariable(ChildFile)!, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (; ; )
            {
                var v = Random.Shared.Next(1, int.MaxValue);
                await database.Write(s => { s.Execute($"insert into a(v) values({v})"); });
                lock (acknowledged) acknowledged.Write(System.Text.Encoding.ASCII.GetBytes($"{v}\n"));
            }
        })));
    }

    static async Task Run(string address, string sql)
    {
        await using var connection = new NpgsqlConnection(PostgreSqlAddress.Parse(address).ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
