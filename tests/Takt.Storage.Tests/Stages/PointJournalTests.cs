using CsCheck;
using Microsoft.Extensions.Time.Testing;
using Takt.Runs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests.Stages;

/// <summary>Points that are answered once they are in the journal, and rows a moment later.</summary>
public sealed class PointJournalTests : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));
    Database _database = null!;
    PointJournal _journal = null!;
    RunLog _log = null!;
    string _run = "";

    string Rows => Path.Combine(_folder, "t.db");
    string Points => Path.Combine(_folder, "t.db-points");

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere every call is a commit");
        _database = SqliteFile.Open(Rows);
        _journal = new PointJournal(_database, Points, _time);
        _log = new RunLog(_database, _time, points: _journal);
        _run = await Run();
    }

    public async ValueTask DisposeAsync()
    {
        if (_journal is not null) await _journal.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<string> Run() => (await _log.Create(await new Experiments(_database, _time).Create(Guid.NewGuid().ToString(), null, []), null, null, null, [])).Id;

    static LogEntry Entry(long step, string key = "loss", int many = 1) => new([.. Enumerable.Range(0, many).Select(i => new LoggedMetric(key, step + 0.5, step + i, step))], [], []);

    static List<long> Steps(Database database, string run, string key = "loss") => [.. new MetricHistory(database).Of(run, key, 1_000_000, null).Items.Select(p => p.Step).Order()];

    /// <summary>What another process finds: rows that are committed.</summary>
    long Committed() => _database.ReadBeside(session => session.Number($"select count(*) from run_metric"))!.Value;

    /// <summary>The files as a killed process leaves them, opened anew.</summary>
    async Task AfterKill(Func<Database, Task> look, Action<string>? harm = null)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, Guid.NewGuid().ToString())).FullName;
        Copy([.. Directory.GetFiles(_folder), folder]);
        harm?.Invoke(Path.Combine(folder, "t.db-points"));
        await using var database = SqliteFile.Open(Path.Combine(folder, "t.db"));
        await using var journal = new PointJournal(database, Path.Combine(folder, "t.db-points"), _time);
        await look(database);
    }

    [Fact]
    public async Task A_point_is_a_row_for_whoever_asks_and_after_a_moment_for_everybody()
    {
        await _log.Add(_run, Entry(1));
        Assert.Equal(0, Committed());
        Assert.Equal([1], Steps(_database, _run));
        Assert.Equal(1, Committed());
        await _log.Add(_run, Entry(2, "other"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, Committed());
        await _log.Add(_run, Entry(3, "third"));
        await _database.Write(session => Assert.Equal(3, session.Number($"select count(*) from run_metric"))); // a write finds it, too
    }

    [Fact]
    public async Task What_a_killed_process_answered_is_there_once()
    {
        for (var i = 0; i < 50; i++)
        {
            await _log.Add(_run, Entry(i));
            if (i == 20) Steps(_database, _run); // rows already: written once more, counted once
        }
        await AfterKill(database =>
        {
            Assert.Equal(Enumerable.Range(0, 50).Select(i => (long)i), Steps(database, _run));
            return Task.CompletedTask;
        });
        await _journal.DisposeAsync();
        Assert.Equal(0, new FileInfo(Points).Length);
        Assert.Equal(50, Steps(_database, _run).Count);
    }

    [Fact]
    public async Task A_journal_that_was_cut_at_any_byte_gives_the_calls_before_it_whole()
    {
        for (var i = 0; i < 6; i++) await _log.Add(_run, Entry(i * 10, many: 1 + i));
        var bytes = Left();
        var ends = Ends(bytes);
        Assert.Equal(6, ends.Count);
        for (var length = 0; length <= ends[^1]; length++) Assert.Equal(ends.Count(e => e <= length), Ends(bytes[..length]).Count);
        foreach (var length in new[] { 0, 1, ends[2] - 1, ends[2], ends[2] + 1 })
            await AfterKill(database =>
            {
                Assert.Equal(Enumerable.Range(0, ends.Count(e => e <= length)).Select(i => 1 + i).Sum(), Steps(database, _run).Count);
                return Task.CompletedTask;
            }, points => { using var file = File.OpenWrite(points); file.SetLength(length); });
    }

    [Fact]
    public async Task A_byte_that_is_another_ends_the_journal_before_its_call()
    {
        for (var i = 0; i < 4; i++) await _log.Add(_run, Entry(i));
        var bytes = Left();
        var ends = Ends(bytes);
        for (var at = 0; at < ends[^1]; at++)
        {
            bytes[at] ^= 0x41;
            Assert.Equal(ends.Count(e => e <= at), Ends(bytes).Count);
            bytes[at] ^= 0x41;
        }
    }

    /// <summary>What the journal begins with.</summary>
    byte[] Left()
    {
        Copy(Points, Points + ".copy");
        return File.ReadAllBytes(Points + ".copy")[..4096];
    }

    // .NET's own heeds the lock
    static void Copy(params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start("cp", arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>Where each whole call ends.</summary>
    static List<int> Ends(byte[] bytes)
    {
        ReadOnlySpan<byte> left = bytes;
        ulong generation = 0;
        var ends = new List<int>();
        while (JournalRecord.Read(ref left, ref generation) is not null) ends.Add(bytes.Length - left.Length);
        return ends;
    }

    [Fact]
    public void A_call_is_read_as_it_was_written() => Gen.Select(Gen.String[0, 50], Gen.Select(Gen.String[0, 250], Gen.Double, Gen.Long, Gen.Long).Array[0, 20]).Sample((run, points) =>
    {
        var logged = points.Select(p => new LoggedMetric(p.Item1, p.Item2, p.Item3, p.Item4)).ToList();
        var bytes = new byte[JournalRecord.LengthOf(run, logged) + 5];
        JournalRecord.Write(bytes.AsSpan(0, bytes.Length - 5), 7, run, logged);
        ReadOnlySpan<byte> left = bytes;
        ulong generation = 0;
        var read = JournalRecord.Read(ref left, ref generation)!.Value;
        Assert.Equal((7ul, 5), (generation, left.Length));
        Assert.Equal(Utf8(run), read.Run);
        Assert.Equal(logged.Select(p => p.Point), read.Points.Select(p => p.Point));
        Assert.Equal(logged.Select(p => Utf8(p.Key)), read.Points.Select(p => p.Key));

        static string Utf8(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text)); // half of a pair is no text
    });

    [Fact]
    public async Task The_file_is_written_over_once_its_points_are_durable_rows_and_does_not_grow()
    {
        const int Many = 120;
        var calls = (PointJournal.Length / (Many * 30) * 2) + 50; // more than twice through the file
        for (var i = 0; i < calls; i++)
        {
            await _log.Add(_run, Entry(i * Many, many: Many));
            if (i % 400 == 399) await AfterKill(database =>
            {
                Assert.Equal((i + 1) * Many, Steps(database, _run).Count);
                return Task.CompletedTask;
            });
        }
        Assert.Equal(PointJournal.Length, new FileInfo(Points).Length);
        Assert.Equal(calls * Many, Steps(_database, _run).Count);
        await AfterKill(database =>
        {
            Assert.Equal(calls * Many, Steps(database, _run).Count);
            return Task.CompletedTask;
        });
    }

    [Fact]
    public async Task Whoever_was_answered_finds_the_point_however_many_log_at_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 16).Select(client => Task.Run(async () =>
        {
            for (var i = 0; i < 40; i++)
            {
                await _log.Add(_run, Entry(i, $"k{client}"));
                if (i % 7 == client % 7) Assert.Equal(i + 1, Steps(_database, _run, $"k{client}").Count);
                if (i % 13 == client % 13) await _log.Add(_run, new LogEntry([], [], [new($"t{client}", $"{i}")]));
            }
        })));
        foreach (var client in Enumerable.Range(0, 16)) Assert.Equal(40, Steps(_database, _run, $"k{client}").Count);
    }

    [Fact]
    public async Task A_run_that_takes_no_points_is_refused_though_it_took_them_a_moment_ago()
    {
        await _log.Add(_run, Entry(1));
        var elsewhere = _log.In(await Team());
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => elsewhere.Add(_run, Entry(2)))).Error);
        await _log.Add(_run, Entry(2));
        await _log.SetDeleted(_run, true);
        var e = await Assert.ThrowsAsync<TaktException>(() => _log.Add(_run, Entry(3)));
        Assert.Contains("must be in the 'active' state", e.Message);
        await _log.SetDeleted(_run, false);
        await _log.Add(_run, Entry(4));
        Assert.Equal([1, 2, 4], Steps(_database, _run));
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => _log.Add("nobody", Entry(1)))).Error);
    }

    async Task<Workspace> Team()
    {
        await new Workspaces(_database, _time).Create("team", null, null);
        return new Workspace("team");
    }

    [Fact]
    public async Task Points_of_a_run_that_was_purged_meanwhile_go_and_those_of_others_are_written()
    {
        var other = await Run();
        await _log.Add(_run, Entry(1));
        await _log.Add(other, Entry(1));
        await AfterKill(database =>
        {
            Assert.Equal([1], Steps(database, other));
            Assert.Empty(database.Read(session => session.Query($"select key from metric_block where run = {_run}", row => row.Text(0))));
            return Task.CompletedTask;
        }, points =>
        {
            // by another process, which does not know the points
            using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={points[..^"-points".Length]};Pooling=false");
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = $"delete from run_tag where run = '{_run}'; delete from run where id = '{_run}'";
            command.ExecuteNonQuery();
        });
    }

    [Fact]
    public async Task While_another_process_has_the_file_each_call_is_a_commit()
    {
        await _log.Add(_run, Entry(1));
        await using var database = SqliteFile.Open(Rows);
        await using var journal = new PointJournal(database, Points, _time);
        await new RunLog(database, _time, points: journal).Add(_run, Entry(2, "second"));
        Assert.Equal(1, Committed()); // the first call's point is no row yet, and not lost
        Assert.Equal([1], Steps(_database, _run));
        Assert.Equal([2], Steps(database, _run, "second"));
    }

    [Fact]
    public async Task What_is_more_than_points_is_a_commit()
    {
        await _log.Add(_run, new LogEntry([new("a", 1, 1, 1)], [new("p", "1")], []));
        await _log.Add(_run, new LogEntry([new("b", 1, 1, 1)], [], [new("t", "1")]));
        await _log.Add(_run, Entry(1, "c", many: 1000));
        Assert.False(File.Exists(Points));
        Assert.Equal(3, Committed());
        await Assert.ThrowsAsync<TaktException>(() => _log.Add(_run, Entry(1, "with\0nul")));
    }

    [Fact]
    public async Task On_a_full_disk_points_wait_in_the_journal_and_are_rows_once_there_is_room()
    {
        using var disk = SmallDisk.Mount(12);
        await using var database = SqliteFile.Open(Path.Combine(disk.Folder, "t.db"));
        await using var journal = new PointJournal(database, Path.Combine(disk.Folder, "t.db-points"), _time);
        var log = new RunLog(database, _time, points: journal);
        var run = (await log.Create(await new Experiments(database, _time).Create("full", null, []), null, null, null, [])).Id;
        await log.Add(run, Entry(0));
        var filler = Path.Combine(disk.Folder, "filler");
        await using (var file = new FileStream(filler, FileMode.Create, FileAccess.Write, FileShare.None, 0))
            try { for (; ; ) file.Write(new byte[4096]); } catch (IOException) { }
        var answered = 0;
        TaktException? refused = null;
        for (var i = 1; i < 3000 && refused is null; i++)
            try
            {
                await log.Add(run, Entry(i * 100, many: 100));
                answered++;
                if (i % 100 == 0) Assert.NotNull(new RunSearch(database).Find([], null, [], false, 1, null)); // reads go on
            }
            catch (TaktException e)
            {
                refused = e;
            }
        Assert.NotNull(refused);
        Assert.Equal(TaktError.Unavailable, refused.Error);
        Assert.Contains("disk full", refused.Message);
        File.Delete(filler);
        await log.Add(run, Entry(1_000_000));
        Assert.Equal((answered * 100) + 2, Steps(database, run).Count);
    }
}
