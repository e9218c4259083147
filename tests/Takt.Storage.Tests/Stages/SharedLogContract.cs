using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests.Stages;

/// <summary>Prediction logs of several servers on one database and one store, on each engine.</summary>
public abstract class SharedLogContract : IAsyncLifetime
{
    static readonly DateTimeOffset Start = DateTimeOffset.Parse("2026-03-01T10:00:00Z");

    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;
    readonly List<(PredictionLogs Logs, Database Database)> _servers = [];
    Gated _store = null!;

    protected abstract Task<Database> Open();

    public ValueTask InitializeAsync()
    {
        _store = new Gated(new FolderBlobStore(Path.Combine(Folder, "store")));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (logs, database) in _servers)
        {
            await logs.DisposeAsync();
            await database.DisposeAsync();
        }
        _store.Dispose();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    async Task<PredictionLogs> Server(string name, TimeProvider? time = null)
    {
        var database = await Open();
        var logs = new PredictionLogs(new TaktFolder(Path.Combine(Folder, name), Path.Combine(Folder, name)), time ?? TimeProvider.System, new SharedLog(database, _store, name, time ?? TimeProvider.System));
        _servers.Add((logs, database));
        return logs;
    }

    async Task Stop(PredictionLogs logs)
    {
        var server = _servers.Single(s => s.Logs == logs);
        _servers.Remove(server);
        await logs.DisposeAsync();
        await server.Database.DisposeAsync();
    }

    string[] Files(string server, string kind = "*") => Directory.Exists(Path.Combine(Folder, server, "predictions", "e")) ? Directory.GetFiles(Path.Combine(Folder, server, "predictions", "e"), kind + ".parquet") : [];

    static string Id(int n, DateTimeOffset at) => $"p-{at.ToUnixTimeMilliseconds():x12}7000800000000{n:x7}";

    static PredictionBatch Batch(int n, DateTimeOffset? at = null) => new(Id(n, at ?? Start), at ?? Start, at ?? Start, 1, "m@1", TimeSpan.FromMilliseconds(1), new Table([Column.Of("x", [(double)n])]), new Table([Column.Of("y", [0.5])]), "");

    static async Task<Table> Query(PredictionLogs logs, string sql, LogRange? range = null)
    {
        using var connection = await logs.Of("e").Open(range);
        return connection is null ? new Table([Column.Of("n", [0L])]) : Tables.Query(connection, sql);
    }

    static IEnumerable<double> Labels(Table table) => Enumerable.Range(0, table.Rows).Select(table["label"].NumberAt);

    static async Task<(long Rows, long Ids)> Count(PredictionLogs logs, LogRange? range = null)
    {
        var table = await Query(logs, "select count(*) as n, count(distinct id) as ids from predictions", range);
        return table.Find("ids") is { } ids ? (table["n"].Integers[0], ids.Integers[0]) : (0, 0);
    }

    static async Task Until(Func<bool> reached)
    {
        for (var i = 0; i < 1200 && !reached(); i++) await Task.Delay(50);
        Assert.True(reached());
    }

    async Task Published(PredictionLogs logs, string name)
    {
        await logs.Of("e").Flush();
        await Until(() => Files(name).Length == 0);
    }

    [Fact]
    public async Task What_two_servers_answered_and_a_third_was_told_of_is_read_together_on_each()
    {
        var (a, b, control) = (await Server("a"), await Server("b"), await Server("control"));
        await a.Of("e").Append(Batch(1));
        await b.Of("e").Append(Batch(2));
        await control.Of("e").Append([new Label(Id(1, Start) + ":0", 1, Start), new Label(Id(2, Start) + ":0", 0, Start)]);
        await Published(a, "a");
        await Published(b, "b");
        await Published(control, "control");
        await b.Of("e").Append([new Label(Id(1, Start) + ":0", 7, Start.AddDays(1))]); // corrected later, at a server that has not seen the prediction
        await b.Of("e").Flush();
        var here = await Query(b, "select x.id, l.label from predictions x join labels l using (id) order by x.id");
        Assert.Equal([7.0, 0.0], Labels(here)); // its own are in it before anybody else can read them
        await Until(() => Files("b").Length == 0);
        foreach (var logs in (PredictionLogs[])[a, b, control])
        {
            var rows = await Query(logs, "select x.id, l.label from predictions x join labels l using (id) order by x.id");
            Assert.Equal([7.0, 0.0], Labels(rows));
        }
        Assert.Equal(["e"], (await Server("new")).Endpoints());
    }

    [Fact]
    public async Task A_label_by_key_meets_the_newest_answer_of_that_key_at_its_time_whichever_server_has_it_and_however_late()
    {
        var (a, b) = (await Server("a"), await Server("b"));
        static PredictionBatch Keyed(int n, DateTimeOffset at, string error = "") => Batch(n, at) with { Keys = ["order-17"], Error = error };
        await b.Of("e").Append([new Label("order-17", 1, Start.AddHours(1), ByKey: true), new Label("order-17", 9, Start.AddHours(-1), ByKey: true), new Label("order-18", 5, Start.AddHours(1), ByKey: true)]);
        await Published(b, "b"); // before the prediction is known anywhere
        await a.Of("e").Append(Batch(0)); // a segment without keys
        await Published(a, "a");
        Assert.Equal(0, (await Query(a, "select * from labels")).Rows);
        await a.Of("e").Append(Keyed(1, Start));
        await a.Of("e").Append(Keyed(2, Start.AddMinutes(1)));
        await a.Of("e").Append(Keyed(3, Start.AddMinutes(2), "failed")); // an attempt without an answer takes no label
        await a.Of("e").Append(Keyed(4, Start.AddHours(2))); // after the label
        await Published(a, "a");
        foreach (var logs in (PredictionLogs[])[a, b])
        {
            var rows = await Query(logs, "select id, label from labels");
            Assert.Equal((1, Id(2, Start.AddMinutes(1)) + ":0", 1.0), (rows.Rows, rows["id"].Texts[0], rows["label"].NumberAt(0)));
        }
        await a.Of("e").Append([new Label("order-17", 0, Start.AddMinutes(90), ByKey: true), new Label(Id(1, Start) + ":0", 3, Start)]); // corrected by key at another server; by id beside it
        await Published(a, "a");
        foreach (var logs in (PredictionLogs[])[a, b]) Assert.Equal([3.0, 0.0], Labels(await Query(logs, "select id, label from labels order by id")));
    }

    [Fact]
    public async Task Many_small_segments_become_few_and_no_row_is_lost_or_twice_also_after_a_crash_before_the_file_was_removed()
    {
        var (a, reader) = (await Server("a"), await Server("reader"));
        var kept = "";
        for (var i = 0; i < SharedLog.MergeAt + 2; i++)
        {
            await a.Of("e").Append(Batch(i));
            await a.Of("e").Append([new Label(Id(0, Start) + ":0", i, Start)]);
            if (i == 0)
            {
                using var reading = await a.Of("e").Open(); // a reader holds the files here
                await a.Of("e").Flush();
                kept = File.Exists(Files("a", "predictions-*").FirstOrDefault() ?? "") ? Files("a", "predictions-*")[0] : "";
                File.Copy(kept, Path.Combine(Folder, "copy"));
            }
            await Published(a, "a");
        }
        await Until(() => Rows("select count(*) from prediction_segment where kind = 'predictions' and digest is not null") < SharedLog.MergeAt);
        Assert.Equal((SharedLog.MergeAt + 2, SharedLog.MergeAt + 2), await Count(reader));
        Assert.Equal(SharedLog.MergeAt + 1, (await Query(reader, "select label from labels"))["label"].Numbers[0]); // the last of those with one time
        await Stop(a);
        File.Copy(Path.Combine(Folder, "copy"), kept); // as if it had been killed before it took the file away, and its rows merged since
        a = await Server("a");
        Assert.Equal((SharedLog.MergeAt + 2, SharedLog.MergeAt + 2), await Count(a));
        await Published(a, "a");
        Assert.Equal((SharedLog.MergeAt + 2, SharedLog.MergeAt + 2), await Count(reader));
    }

    long Rows(string sql) => _servers[^1].Database.Read(session => session.Number(Sql.Raw(sql)))!.Value;

    [Fact]
    public async Task While_the_store_is_out_all_is_kept_here_and_given_to_the_others_afterwards()
    {
        var (a, reader) = (await Server("a"), await Server("reader"));
        _store.Out = true;
        await a.Of("e").Append(Batch(1));
        await a.Of("e").Flush();
        await Until(() => a.Of("e").SharingFault is not null);
        Assert.Contains("out on purpose", a.Of("e").SharingFault);
        Assert.Equal((1, true), (a.Of("e").Unshared.Files, a.Of("e").Unshared.Bytes > 0));
        Assert.Equal((1, 1), await Count(a)); // its own can be read here
        Assert.Equal((0, 0), await Count(reader));
        _store.Out = false;
        await Until(() => a.Of("e").Unshared.Files == 0 && a.Of("e").SharingFault is null);
        Assert.Equal((1, 1), await Count(reader));
    }

    [Fact]
    public async Task What_is_not_asked_for_is_not_fetched()
    {
        var (a, reader) = (await Server("a"), await Server("reader"));
        for (var day = 0; day < 5; day++)
        {
            for (var n = 0; n < 10; n++) await a.Of("e").Append(Batch((day * 10) + n, Start.AddDays(day)));
            await Published(a, "a");
        }
        Assert.Equal((50, 50), await Count(reader));
        Assert.Equal((20, 20), await Count(reader, new LogRange(From: Start.AddDays(3))));
        Assert.Equal((10, 10), await Count(reader, new LogRange(ReceivedFrom: Start.AddDays(2), ReceivedTo: Start.AddDays(2).AddHours(1))));
        Assert.Equal((20, 20), await Count(reader, new LogRange(Newest: 12)));
        Assert.Equal((50, 50), await Count(reader, new LogRange(Newest: 1000)));
    }

    [Fact]
    public async Task A_server_that_is_heard_of_lives_however_wrong_its_clock_and_one_that_falls_silent_does_not()
    {
        await using var rows = await Open();
        var (early, late) = (new FakeTimeProvider(Start.AddHours(-9)), new FakeTimeProvider(Start));
        var (a, b) = (new Fleet(rows, "a", early), new Fleet(rows, "b", late));
        await a.Beat();
        await b.Beat();
        void Advance(double seconds)
        {
            early.Advance(TimeSpan.FromSeconds(seconds));
            late.Advance(TimeSpan.FromSeconds(seconds));
        }
        for (var i = 0; i < 10; i++)
        {
            Advance(2);
            await a.Beat();
            await b.Beat();
        }
        Assert.Equal((2, 2), (a.Live, b.Live));
        await a.Tell(Revision(3));
        Assert.Equal((0, 0), (b.Behind("e", 3).Loading.Count, b.Behind("e", 3).Failed.Count));
        Assert.Equal(["a"], b.Behind("e", 4).Loading);
        await a.Tell(Revision(4), "no room");
        Assert.Equal([("a", "no room")], b.Behind("e", 4).Failed);
        Advance(14);
        await b.Beat();
        Assert.Equal(2, b.Live);
        Advance(2);
        await b.Beat();
        Assert.Equal(1, b.Live); // a has been silent for 16 s
        Assert.Equal((0, 0), (b.Behind("e", 4).Loading.Count, b.Behind("e", 4).Failed.Count));
        var again = new Fleet(rows, "a", new FakeTimeProvider(Start.AddHours(1)));
        await again.Beat(); // a new process in its place has loaded nothing yet
        await b.Beat();
        Assert.Equal((2, "a"), (b.Live, Assert.Single(b.Behind("e", 3).Loading)));
        await again.Leave();
        await b.Beat();
        Assert.Equal(1, b.Live);

        static Revision Revision(int number) => new("e", number, "m@1", new DeploymentSpec("e", [1], TimeSpan.Zero, 0, [], null, true, null), Start);
    }

    /// <summary>A store that can be told to be out.</summary>
    sealed class Gated(FolderBlobStore store) : IBlobStore, IDisposable
    {
        public volatile bool Out;

        T Ask<T>(Func<T> ask) => Out ? throw new TaktException(TaktError.Unavailable, "the store is out on purpose") : ask();

        public Task<Blob> Put(Stream content, CancellationToken cancel = default) => Ask(() => store.Put(content, cancel));
        public Task<Stream> Open(Digest id, CancellationToken cancel = default) => Ask(() => store.Open(id, cancel));
        public Task<long?> Length(Digest id, CancellationToken cancel = default) => Ask(() => store.Length(id, cancel));
        public Task Delete(Digest id, CancellationToken cancel = default) => Ask(() => store.Delete(id, cancel));
        public IAsyncEnumerable<Blob> List(CancellationToken cancel = default) => Ask(() => store.List(cancel));
        public Task<string> LocalFile(Digest id, CancellationToken cancel = default) => Ask(() => store.LocalFile(id, cancel));
        public void Dispose() => store.Dispose();
    }
}
