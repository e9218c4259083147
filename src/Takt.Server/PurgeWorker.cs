using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Models;
using Takt.Pipelines;

namespace Takt.Server;

/// <summary>Purges what was deleted longer ago than the setting <c>retention</c>, once an hour; without the setting it does nothing.</summary>
sealed partial class PurgeWorker(TaktApp app, ILogger<PurgeWorker> log) : BackgroundService
{
    static readonly TimeSpan Often = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        if (app.Retention is not { } text || !Quantity.TryDuration(text, out var age)) return;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await app.Purge.Apply(age, Purge.DefaultGrace, stop);
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
