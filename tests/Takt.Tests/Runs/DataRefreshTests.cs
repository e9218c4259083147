using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;
using Takt.Runs;
using Takt.Server;
using Takt.Storage;

namespace Takt.Tests.Runs;

/// <summary><c>refresh</c> of an entry of <c>data:</c>, done by servers.</summary>
public sealed class DataRefreshTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly FakeTimeProvider _time = new(new DateTimeOffset(2001, 5, 7, 3, 30, 0, TimeSpan.Zero));
    readonly TaktApp _app;

    public DataRefreshTests()
    {
        File.WriteAllText(Path.Combine(_folder, "takt.yaml"), """
            takt: 1
            project: shop
            data:
              orders: { source: "sqlite:shop.db", table: orders, cursor: id, refresh: "0 3 * * *", path: data/orders/ }
              plain: { source: incoming/*.csv, path: data/plain/ }
            """);
        _app = TaktApp.Open(new TaktFolder(_folder, Path.Combine(_folder, ".takt")), _time);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    DataRefresh Server(string name) => new(_app.Pipelines, _app.Collect, _app.Database, _time, new Leases(_app.Database, _time, name));

    Refresh Only(DataRefresh server) => Assert.Single(server.List());

    static Task<int> Tick(DataRefresh server) => server.Tick(TestContext.Current.CancellationToken);

    void Order(int id)
    {
        using var shop = new SqliteConnection($"Data Source={Path.Combine(_folder, "shop.db")}");
        shop.Open();
        using var command = shop.CreateCommand();
        command.CommandText = $"create table if not exists orders(id integer primary key); insert into orders values({id})";
        command.ExecuteNonQuery();
    }

    [Fact]
    public async Task An_entry_is_collected_once_after_each_of_its_times_and_what_is_new_comes()
    {
        Order(1);
        var server = Server("a");
        Assert.Equal(("waiting", "data.orders"), (Only(server).State, Only(server).Stage));
        Assert.Equal(1, await Tick(server));
        Assert.Equal(0, await Tick(server));
        Assert.Equal(("ok", new DateTimeOffset(2001, 5, 8, 3, 0, 0, TimeSpan.Zero)), (Only(server).State, Only(server).NextAt));
        Order(2);
        _time.Advance(TimeSpan.FromHours(23));
        Assert.Equal(0, await Tick(server));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, await Tick(server));
        Assert.Equal(2, _app.Datasets.Show("orders").Rows);
        Assert.Equal("schedule", _app.Runs.Get(new RunId(Only(server).Run!)).Tags[PipelineRunner.TriggerTag]);
    }

    [Fact]
    public async Task Of_several_servers_one_does_it_and_another_takes_over_from_a_dead_one()
    {
        Order(1);
        var (a, b) = (Server("a"), Server("b"));
        Assert.Equal(1, (await Task.WhenAll(Tick(a), Tick(b))).Sum());
        _time.Advance(TimeSpan.FromDays(1));
        Assert.True(await _app.Database.Write(session => new Leases(_app.Database, _time, "killed").Take(session, "refresh/data.orders")));
        Assert.Equal(("running", "killed"), (Only(b).State, Only(b).Owner));
        Assert.Equal(0, await Tick(b));
        _time.Advance(Leases.Life);
        Assert.Equal(1, await Tick(b));
        Assert.Equal("ok", Only(b).State);
    }

    [Fact]
    public async Task A_failure_is_told_and_tried_again_later_and_later()
    {
        var server = Server("a");
        Assert.Equal(1, await Tick(server));
        Assert.Equal(("failing", 1), (Only(server).State, Only(server).Failures));
        Assert.Contains("shop.db", Only(server).Error);
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(0, await Tick(server));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await Tick(server));
        _time.Advance(TimeSpan.FromSeconds(119));
        Assert.Equal((0, 2), (await Tick(server), Only(server).Failures));
        Order(1);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await Tick(server));
        Assert.Equal(("ok", 0, null), (Only(server).State, Only(server).Failures, Only(server).Error));
    }

    [Fact]
    public async Task A_server_that_is_stopped_gives_its_lease_back()
    {
        Order(1);
        using var stop = new CancellationTokenSource();
        using (FolderLock.TryTake(Path.Combine(_folder, ".takt", "run.lock"), "a test", out _))
        {
            var ticking = Server("a").Tick(stop.Token); // waits for the folder, in which another pipeline runs
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ticking);
        }
        Assert.Equal(1, await Tick(Server("b")));
    }
}
