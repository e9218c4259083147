using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Monitors;
using Takt.Runs;

namespace Takt.Server;

/// <summary>Keeps the loop turning while the server runs.</summary>
sealed partial class LoopWorker(TaktApp app, ILogger<LoopWorker> log) : BackgroundService
{
    static readonly TimeSpan LookForTriggers = TimeSpan.FromMilliseconds(250);

    /// <summary>A window is judged this long after its last label at the latest; each look writes a segment, so not more often.</summary>
    static readonly TimeSpan LookAtMonitors = TimeSpan.FromSeconds(30);

    protected override Task ExecuteAsync(CancellationToken stop) => Task.WhenAll(RunTriggers(stop), Every(LookAtMonitors, () => Look(stop), stop));

    async Task RunTriggers(CancellationToken stop)
    {
        var recovered = false;
        await Every(LookForTriggers, async () =>
        {
            if (!recovered)
            {
                await app.Pipelines.EndLeftovers();
                await app.Leases.FreePredecessors(MonitorTable.LeasePrefix, DataRefresh.LeasePrefix); // the folder's lock says that none lives
                recovered = true;
            }
            while (await app.Loop.RunNext(stop)) { }
        }, stop);
    }

    // beside the triggers: a pipeline can take hours
    async Task Look(CancellationToken stop)
    {
        await app.Pipelines.EndLeftovers();
        await app.Pipelines.EndVanished();
        if (File.Exists(app.Folder.ProjectFile)) await app.Loop.Tick(cancel: stop);
    }

    async Task Every(TimeSpan pause, Func<Task> work, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await work();
            }
            catch (Exception e) when (!stop.IsCancellationRequested) // also a time-out deep within, which is a cancellation as well: it must not end the server
            {
                Failed(log, e.Message, e is TaktException ? null : e);
            }
            catch
            {
                return;
            }
            try
            {
                await Task.Delay(pause, app.Time, stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "The loop could not go on: {Reason}; it is tried again")]
    private static partial void Failed(ILogger log, string reason, Exception? e);
}
