using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Models;
using Takt.Pipelines;

namespace Takt.Server;

/// <summary>Once an hour ends uploads that nobody completes, and purges what was deleted longer ago than the setting <c>retention</c>; without the setting nothing is purged.</summary>
sealed partial class PurgeWorker(TaktApp app, ILogger<PurgeWorker> log) : BackgroundService
{
    static readonly TimeSpan Often = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (Quantity.TryDuration(app.Retention ?? "", out var age)) await app.Purge.Apply(age, Purge.DefaultGrace, stop);
                else await app.Uploads.EndOld(stop);
                await Task.Delay(Often, app.Time, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Failed(log, e);
                await Task.Delay(Often, app.Time, stop).ContinueWith(_ => { }, TaskScheduler.Default);
            }
        }
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "What was deleted could not be purged; it is tried again in an hour")]
    private static partial void Failed(ILogger log, Exception e);
}
