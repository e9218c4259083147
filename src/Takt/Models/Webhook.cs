namespace Takt.Models;

/// <summary>Somebody who is told of what happens in the registry. Its secret is not part of it, so that no answer and no log can hold it.</summary>
public sealed record Webhook(
    string Id, Workspace Workspace, string Name, string? Description, string Url, IReadOnlyList<WebhookEvent> Events, bool Active,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);
