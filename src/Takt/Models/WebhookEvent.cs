namespace Takt.Models;

/// <summary>What a webhook can be told of, under MLflow's names.</summary>
/// <param name="Entity">In lower case, such as <c>model_version_tag</c>.</param>
/// <param name="Action"><c>created</c>, <c>set</c> or <c>deleted</c>.</param>
public sealed record WebhookEvent(string Entity, string Action)
{
    public static readonly WebhookEvent ModelCreated = new("registered_model", "created");
    public static readonly WebhookEvent VersionCreated = new("model_version", "created");
    public static readonly WebhookEvent VersionTagSet = new("model_version_tag", "set");
    public static readonly WebhookEvent VersionTagDeleted = new("model_version_tag", "deleted");
    public static readonly WebhookEvent AliasCreated = new("model_version_alias", "created");
    public static readonly WebhookEvent AliasDeleted = new("model_version_alias", "deleted");
    public static readonly WebhookEvent PromptCreated = new("prompt", "created");
    public static readonly WebhookEvent PromptVersionCreated = new("prompt_version", "created");
    public static readonly WebhookEvent PromptTagSet = new("prompt_tag", "set");
    public static readonly WebhookEvent PromptTagDeleted = new("prompt_tag", "deleted");
    public static readonly WebhookEvent PromptVersionTagSet = new("prompt_version_tag", "set");
    public static readonly WebhookEvent PromptVersionTagDeleted = new("prompt_version_tag", "deleted");
    public static readonly WebhookEvent PromptAliasCreated = new("prompt_alias", "created");
    public static readonly WebhookEvent PromptAliasDeleted = new("prompt_alias", "deleted");

    public static IReadOnlyList<WebhookEvent> All { get; } =
    [
        ModelCreated, VersionCreated, VersionTagSet, VersionTagDeleted, AliasCreated, AliasDeleted, PromptCreated, PromptVersionCreated,
        PromptTagSet, PromptTagDeleted, PromptVersionTagSet, PromptVersionTagDeleted, PromptAliasCreated, PromptAliasDeleted,
    ];

    /// <exception cref="TaktException">Invalid: no such entity, or it has no such action.</exception>
    public static WebhookEvent Parse(string entity, string action)
    {
        var (what, how) = (entity.ToLowerInvariant(), action.ToLowerInvariant());
        var actions = All.Where(e => e.Entity == what).Select(e => e.Action).Order(StringComparer.Ordinal).ToList();
        if (actions.Count == 0) throw TaktException.Invalid($"Invalid entity '{entity}' of a webhook's event. Valid entities are: {string.Join(", ", All.Select(e => e.Entity).Distinct())}");
        return All.FirstOrDefault(e => e.Entity == what && e.Action == how)
            ?? throw TaktException.Invalid($"Invalid action '{how}' for entity '{what}'. Valid actions are: [{string.Join(", ", actions.Select(a => $"'{a}'"))}]");
    }

    public override string ToString() => $"{Entity}.{Action}";
}
