namespace Takt.Monitors;

/// <summary>A reason to start the pipeline, kept until it has been.</summary>
/// <param name="EventTime">End of the window that raised it; cooldowns are measured by it.</param>
/// <param name="State"><c>pending</c>, <c>running</c>, <c>done</c>.</param>
/// <param name="Outcome"><c>succeeded</c>, <c>gate not passed</c>, <c>failed</c>, <see cref="Unchanged"/>, or why it could not start.</param>
public sealed record TriggerEvent(long Id, string Kind, string Monitor, long Alert, DateTimeOffset EventTime, string State, string? Run, string Outcome, DateTimeOffset CreatedAt)
{
    /// <summary>No stage had new data or other settings, so the model is the one it was.</summary>
    public const string Unchanged = "nothing new";
}
