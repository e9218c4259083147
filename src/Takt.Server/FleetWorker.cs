using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Deployments;

namespace Takt.Server;

/// <summary>Tells the other servers that this one lives, and notices when the database or the store does not answer; both can be out for a while.</summary>
sealed partial class FleetWorker(TaktApp app, ILogger<FleetWorker> log) : BackgroundService
{
    static readonly TimeSpan StoreEvery = TimeSpan.FromSeconds(10);

    /// <summary>A store that hangs is out as well; its client alone would try for minutes.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await Beat(); // before it takes any traffic
        await base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stop) => Task.WhenAll(Every(Fleet.BeatEvery, Beat, stop), Every(StoreEvery, () => AskStore(stop), stop));

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            if (app.Fleet is { } fleet) await fleet.Leave();
        }
        catch (TaktException)
        {
            // the others find out by themselves
        }
    }

    Task Beat() => Ask(Outages.Database, async () =>
    {
        if (app.Fleet is not { } fleet) return;
        await fleet.Beat();
        app.Router.Servers = fleet.Live;
    });

    Task AskStore(CancellationToken stop) => Ask(Outages.Store, () => app.Blobs.Probe(stop).WaitAsync(Patience, stop));

    async Task Ask(string part, Func<Task> ask)
    {
        try
        {
            await ask();
            if (app.Outages.Of(part) is { } was) Back(log, part, was.Since);
            app.Outages.Up(part);
        }
        catch (Exception e) // a time-out deep within too, which is a cancellation as well
        {
            if (app.Outages.Down(part, e.Message)) Out(log, part, e.Message);
        }
    }

    async Task Every(TimeSpan pause, Func<Task> work, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await Task.Delay(pause, stop);
                await work();
            }
        }
        catch (OperationCanceledException)
        {
            // told to stop
        }
    }

    [LoggerMessage(EventId = 20, Level = LogLevel.Error, Message = "The {Part} does not answer ({Why}); this server goes on with what it has")]
    private static partial void Out(ILogger log, string part, string why);

    [LoggerMessage(EventId = 21, Level = LogLevel.Warning, Message = "The {Part} answers again; it was out since {Since:o}")]
    private static partial void Back(ILogger log, string part, DateTimeOffset since);
}
