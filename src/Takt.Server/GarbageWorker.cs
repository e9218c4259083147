using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Pipelines;

namespace Takt.Server;

/// <summary>Collects garbage in the store once a day, as the setting <c>collect-garbage</c> says; without the setting it does nothing.</summary>
/// <remarks>Of several servers on one store one does it at a time.</remarks>
sealed partial class GarbageWorker(TaktApp app, ILogger<GarbageWorker> log) : BackgroundService
{
    static readonly TimeSpan Often = TimeSpan.FromDays(1);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        if (app.CollectGarbage is not { } text || !Quantity.TryDuration(text, out var grace)) return;
        try
        {
            while (true)
            {
                try
                {
                    var gc = new GarbageCollection(app.Database, app.Blobs, app.Time);
                    var plan = await gc.Collect(grace, GarbageCollection.Quarantine, new WorkTree(app.Folder.Root, app.Folder.State).Needed(), stop);
                    if (plan.Steps.Count > 0) Done(log, plan.Steps.Count(step => step.Do == GcAction.Drop), plan.Steps.Count(step => step.Do == GcAction.Quarantine), plan.Steps.Count(step => step.Do == GcAction.Remove), plan.Steps.Where(step => step.Do == GcAction.Remove).Sum(step => step.Bytes));
                }
                catch (TaktException e) when (e.Error == TaktError.Conflict)
                {
                    // another server does it
                }
                catch (Exception e) when (!stop.IsCancellationRequested)
                {
                    Failed(log, e.Message, e is TaktException ? null : e);
                }
                await Task.Delay(Often, app.Time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // the server ends
        }
    }

    [LoggerMessage(EventId = 60, Level = LogLevel.Information, Message = "Garbage was collected: {Versions} versions dropped, {Quarantined} packs and files into quarantine, {Removed} removed ({Bytes} bytes)")]
    private static partial void Done(ILogger log, int versions, int quarantined, int removed, long bytes);

    [LoggerMessage(EventId = 61, Level = LogLevel.Error, Message = "Garbage could not be collected: {Reason}; it is tried again in a day, or by 'takt data gc --apply'")]
    private static partial void Failed(ILogger log, string reason, Exception? e);
}
