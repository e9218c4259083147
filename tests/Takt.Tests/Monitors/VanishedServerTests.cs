using Microsoft.Extensions.Time.Testing;
using Takt.Monitors;
using Takt.Pipelines;
using Takt.Runs;
using Takt.Server;
using Takt.Storage;

namespace Takt.Tests.Monitors;

/// <summary>What another server had in its hands when it was heard of no more. Its clock stands still: it renews nothing.</summary>
public sealed class VanishedServerTests : IAsyncLifetime
{
    static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    readonly string _folder = Directory.CreateTempSubdirectory("takt-vanished").FullName;
    readonly FakeTimeProvider _time = new(Monday);
    TaktApp _app = null!;

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\nstages:\n  a: { run: 'echo hi > a.txt', out: [a.txt] }\n");
        _app = TaktApp.Open(TaktFolder.At(_folder), _time);
        await _app.Monitors.Table.Put(new MonitorWindow("m", Monday, Monday.AddDays(1), 1000, 0, "m@1", [], new Dictionary<string, double>(), "alert"), [("drift", "it moved", "{}")], new DriftTrigger("m", TimeSpan.FromHours(1)));
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    TriggerEvent Only => Assert.Single(_app.Monitors.Table.Triggers());

    MonitorTable Other(string owner = "other:/data/1")
    {
        var clock = new FakeTimeProvider(_time.GetUtcNow());
        return new MonitorTable(_app.Database, clock, new Leases(_app.Database, clock, owner));
    }

    [Fact]
    public async Task A_trigger_in_the_hands_of_a_living_server_is_left_to_it_and_that_of_a_vanished_one_is_tried_again()
    {
        var other = Other();
        var taken = (await other.Take(Cancel))!;
        Assert.False(await _app.Loop.RunNext(Cancel));
        _time.Advance(Leases.Life);
        Assert.True(await _app.Loop.RunNext(Cancel));
        Assert.Equal(("done", "succeeded"), (Only.State, Only.Outcome));
        await other.End(taken, null, "too late"); // it was not dead: nothing is overwritten
        Assert.Equal("succeeded", Only.Outcome);
    }

    [Fact]
    public async Task A_trigger_that_takes_three_servers_down_is_given_up()
    {
        for (var death = 0; death < MonitorTable.MostDeaths; death++)
        {
            Assert.NotNull(await Other($"other:/data/{death}").Take(Cancel));
            _time.Advance(Leases.Life);
        }
        Assert.False(await _app.Loop.RunNext(Cancel));
        Assert.Equal("done", Only.State);
        Assert.StartsWith("given up: 3 servers were gone", Only.Outcome);
    }

    [Fact]
    public async Task A_server_that_starts_again_in_its_folder_need_not_wait_for_the_lease_of_the_one_before()
    {
        await Other(Leases.OwnerOf(_app.Folder.State)).Take(Cancel);
        await _app.Leases.FreePredecessors("refresh/");
        Assert.False(await _app.Loop.RunNext(Cancel));
        await _app.Leases.FreePredecessors(MonitorTable.LeasePrefix);
        Assert.True(await _app.Loop.RunNext(Cancel));
        Assert.Equal("succeeded", Only.Outcome);
    }

    [Fact]
    public async Task A_lease_is_renewed_while_the_work_goes_on()
    {
        var other = new Leases(_app.Database, _time, "other");
        await using (await _app.Leases.TryTake("work", Cancel))
            for (var beat = 1; beat <= 10; beat++)
            {
                _time.Advance(TimeSpan.FromSeconds(30));
                var until = _time.GetUtcNow() + Leases.Life;
                while (_app.Database.Read(session => session.Number($"select 1 from lease where name = {"work"} and until = {until}")) is null) await Task.Delay(5, Cancel);
                Assert.Null(await other.TryTake("work", Cancel));
            }
        Assert.NotNull(await other.TryTake("work", Cancel)); // given back
    }

    [Fact]
    public async Task A_run_that_another_server_has_ended_stops_and_overwrites_nothing()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\nstages:\n  a: { run: 'sleep 600' }\n", Cancel);
        var running = _app.Pipelines.Run(new PipelineRequest([]), cancel: Cancel);
        while (_app.Runs.Unfinished().Count < 2) await Task.Delay(20, Cancel);
        var run = _app.Runs.Unfinished().Single(r => r.Parent is null).Id;
        await _app.Database.Write(session => session.Execute($"update lease set owner = {"other"} where name = {"run/" + run}"));
        await _app.Runs.End(run, RunStatus.FAILED);
        while (!running.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(30));
            await Task.Delay(20, Cancel);
        }
        var fault = await Assert.ThrowsAsync<TaktException>(() => running);
        Assert.Contains($"run {run} was ended by another server", fault.Message);
        Assert.Equal(RunStatus.FAILED, _app.Runs.Get(run).Status);
    }
}
