namespace Takt.Models;

/// <summary>One event on its way to one webhook.</summary>
/// <param name="Attempt">From 1.</param>
public sealed record WebhookDelivery(string Id, string Webhook, string Url, string Body, int Attempt);
