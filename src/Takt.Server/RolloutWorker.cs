using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Takt.Server;

/// <summary>Moves deployments to what is desired: often while a rollout is under way, now and then otherwise.</summary>
sealed partial class RolloutWorker(TaktApp app, ILogger<RolloutWorker> log) : BackgroundService
{
    static readonly TimeSpan WhileRolling = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan AtRest = TimeSpan.FromMilliseconds(250);
    static readonly TimeSpan TellAgain = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        var (told, at) = ("", 0L);
        while (!stop.IsCancellationRequested)
        {
            var busy = false;
            try
            {
                busy = await app.Rollouts.Tick(stop);
                told = "";
            }
            catch (Exception e) when (!stop.IsCancellationRequested) // also a time-out deep within, which is a cancellation as well: it must not end the server
            {
                // four times a second while a database is away would drown all else, and an outage is told by who watches for it
                if (app.Outages.Of(Outages.Database) is null && (told != e.Message || app.Time.GetElapsedTime(at) >= TellAgain))
                {
                    (told, at) = (e.Message, app.Time.GetTimestamp());
                    Failed(log, e.Message, e is TaktException ? null : e);
                }
            }
            catch
            {
                return;
            }
            try
            {
                await Task.Delay(busy ? WhileRolling : AtRest, app.Time, stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "A rollout could not be moved: {Reason}; it is tried again")]
    private static partial void Failed(ILogger log, string reason, Exception? e);
}
