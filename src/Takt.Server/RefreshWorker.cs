using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Takt.Server;

/// <summary>Collects what <c>refresh</c> says is due, while the server runs.</summary>
sealed partial class RefreshWorker(TaktApp app, ILogger<RefreshWorker> log) : BackgroundService
{
    static readonly TimeSpan Often = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        string? told = null;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (File.Exists(app.Folder.ProjectFile)) await app.Refreshes.Tick(stop);
                told = null;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (told != e.Message) Failed(log, e.Message, e is TaktException ? null : e); // a fault of the project file stays until somebody mends it
                told = e.Message;
            }
            try
            {
                await Task.Delay(Often, app.Time, stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    [LoggerMessage(EventId = 50, Level = LogLevel.Error, Message = "Data could not be refreshed: {Reason}; it is tried again")]
    private static partial void Failed(ILogger log, string reason, Exception? e);
}
