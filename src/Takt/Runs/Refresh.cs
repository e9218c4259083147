namespace Takt.Runs;

/// <summary>An entry of <c>data:</c> that a server collects on a schedule, and how that goes.</summary>
/// <param name="Stage">As <c>takt run</c> knows it: <c>data.orders</c>.</param>
/// <param name="Schedule">Cron, UTC.</param>
/// <param name="NextAt">When it is done next: a time of the schedule, or of the next attempt after a failure.</param>
/// <param name="Failures">How often it failed since it last went well.</param>
/// <param name="Error">Of the last one; null: it went well, or was never done.</param>
/// <param name="Owner">Who is at it; null: nobody.</param>
public sealed record Refresh(
    string Stage, string Dataset, string Schedule, DateTimeOffset? NextAt, DateTimeOffset? AskedAt, DateTimeOffset? SucceededAt, int Failures, string? Error, string? Run, string? Owner)
{
    public string State => Owner is not null ? "running" : Error is not null ? "failing" : SucceededAt is null ? "waiting" : "ok";
}
