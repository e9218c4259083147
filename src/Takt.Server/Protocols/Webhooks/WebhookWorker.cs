using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Models;

namespace Takt.Server.Protocols.Webhooks;

/// <summary>Delivers what webhooks are to be told, each webhook's events in order, until they are taken or given up.</summary>
sealed partial class WebhookWorker(TaktApp app, ILogger<WebhookWorker> log) : BackgroundService
{
    /// <summary>So many webhooks are told at once.</summary>
    const int AtOnce = 16;

    /// <summary>A change rings before it is committed.</summary>
    static readonly TimeSpan Commit = TimeSpan.FromMilliseconds(15);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
            try
            {
                var due = await app.Webhooks.Take(AtOnce);
                if (due.Count > 0)
                {
                    await Task.WhenAll(due.Select(delivery => Deliver(delivery, stop)));
                    continue;
                }
                await Models.Webhooks.Wait(stop);
                await Task.Delay(Commit, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Failed(log, e.Message, e is TaktException ? null : e);
                await Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None);
            }
    }

    async Task Deliver(WebhookDelivery delivery, CancellationToken stop)
    {
        WebhookResult result;
        try
        {
            result = await app.WebhookSender.Send(delivery, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await app.Webhooks.Again(delivery, null); // who is next need not wait for this server's claim to end
            throw;
        }
        if (result.Success) await app.Webhooks.Done(delivery);
        else if (result.Again && delivery.Attempt < Models.Webhooks.MostAttempts) await app.Webhooks.Again(delivery, result.RetryAfter);
        else
        {
            var why = result.Error ?? $"it answered {result.Status}";
            await app.Webhooks.Done(delivery, why);
            GivenUp(log, delivery.Id, delivery.Webhook, delivery.Attempt, why);
        }
    }

    [LoggerMessage(EventId = 40, Level = LogLevel.Error, Message = "Webhooks could not be looked at: {Reason}; it is tried again")]
    private static partial void Failed(ILogger log, string reason, Exception? e);

    [LoggerMessage(EventId = 41, Level = LogLevel.Warning, Message = "Delivery {Delivery} to webhook {Webhook} was given up after {Attempts} attempts: {Reason}")]
    private static partial void GivenUp(ILogger log, string delivery, string webhook, int attempts, string reason);
}
