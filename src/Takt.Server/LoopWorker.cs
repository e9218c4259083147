using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Takt.Server;

/// <summary>Keeps the loop turning while the server runs.</summary>
sealed partial class LoopWorker(TaktApp app, ILogger<LoopWorker> log) : BackgroundService
{
    static readonly TimeSpan LookForTriggers = TimeSpan.FromMilliseconds(250);

    /// <summary>A window is judged this long after its last label at the latest; each look writes a segment, so not more often.</summary>
    static readonly TimeSpan LookAtMonitors = TimeSpan.FromSeconds(30);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        var (looked, recovered) = (app.Time.GetTimestamp(), false);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (!recovered)
                {
                    await app.Pipelines.EndLeftovers();
                    await app.Monitors.Table.Recover();
                    recovered = true;
                }
                if (app.Time.GetElapsedTime(looked) >= LookAtMonitors && File.Exists(app.Folder.ProjectFile))
                {
                    looked = app.Time.GetTimestamp();
                    await app.Pipelines.EndLeftovers();
                    await app.Loop.Tick(cancel: stop);
                }
                if (await app.Loop.RunNext(stop)) continue;
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
                await Task.Delay(LookForTriggers, app.Time, stop);
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
