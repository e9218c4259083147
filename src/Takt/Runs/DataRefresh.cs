using Takt.Data;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// Collects entries of <c>data:</c> at the times of their <c>refresh</c>, as pipeline runs of their stages. Of several servers on one database one does it, by a lease.
/// What fails is tried again after 1, 2, 4 … minutes, at most an hour.
/// </summary>
public sealed class DataRefresh(PipelineRunner pipelines, CollectStep collect, Database database, TimeProvider time, Leases leases)
{
    /// <summary>How the names of its leases begin.</summary>
    public const string LeasePrefix = "refresh/";

    static readonly TimeSpan FirstWait = TimeSpan.FromMinutes(1), LongestWait = TimeSpan.FromHours(1);

    const int LongestError = 2000;

    /// <summary>All entries with a schedule, as the project file has them now.</summary>
    /// <exception cref="TaktException">NotFound or Invalid: the project file.</exception>
    public IReadOnlyList<Refresh> List()
    {
        var now = time.GetUtcNow();
        var rows = database.Read(Rows);
        return collect.Scheduled(pipelines.LoadProject()).Select(entry =>
        {
            var row = rows.GetValueOrDefault(entry.Stage);
            var due = CollectStep.Due(entry.Schedule, now);
            var next = row is null || row.Due < due ? Later(due, row?.Next) : CollectStep.Next(entry.Schedule, now);
            return new Refresh(entry.Stage, entry.Dataset, entry.Schedule, next, row?.Asked, row?.Succeeded, row?.Attempt ?? 0, row?.Error, row?.Run, leases.HolderOf(LeaseOf(entry.Stage)));
        }).ToList();
    }

    /// <summary>Does what is due and nobody else is at.</summary>
    /// <returns>How many entries it has done, well or not.</returns>
    /// <exception cref="TaktException">Invalid: the project file.</exception>
    public async Task<int> Tick(CancellationToken cancel = default)
    {
        var done = 0;
        foreach (var (stage, schedule, _) in collect.Scheduled(pipelines.LoadProject()))
        {
            cancel.ThrowIfCancellationRequested();
            var due = CollectStep.Due(schedule, time.GetUtcNow());
            if (!await database.Write(session => Take(session, stage, due))) continue;
            await Do(stage, due, cancel);
            done++;
        }
        return done;
    }

    async Task Do(string stage, DateTimeOffset due, CancellationToken cancel)
    {
        await using var lease = leases.Hold(LeaseOf(stage), cancel);
        var (run, error) = ((string?)null, (string?)null);
        try
        {
            var result = await pipelines.Run(new PipelineRequest([stage], Trigger: "schedule"), cancel: lease.Token);
            run = result.Run.Value;
            if (!result.Succeeded) error = result.Stages.First(s => !s.Succeeded).Summary;
        }
        catch (TaktException e)
        {
            error = e.Message;
        }
        catch (OperationCanceledException) when (lease.IsLost)
        {
            return; // somebody else is at it by now
        }
        await database.Write(session => End(session, lease, stage, due, run, error));
    }

    bool Take(SqlSession session, string stage, DateTimeOffset due)
    {
        var now = time.GetUtcNow();
        session.Execute($"insert into data_refresh(stage, due, attempt, next, asked) values({stage}, {DateTimeOffset.UnixEpoch}, 0, {DateTimeOffset.UnixEpoch}, {DateTimeOffset.UnixEpoch}) on conflict do nothing");
        return session.Number($"select 1 from data_refresh where stage = {stage} and due < {due} and next <= {now}") is not null && leases.Take(session, LeaseOf(stage))
            && session.Execute($"update data_refresh set asked = {now} where stage = {stage}") > 0;
    }

    void End(SqlSession session, Lease lease, string stage, DateTimeOffset due, string? run, string? error)
    {
        if (!lease.End(session)) return;
        var now = time.GetUtcNow();
        if (error is null)
        {
            session.Execute($"update data_refresh set due = {due}, attempt = 0, next = 0, succeeded = {now}, run = {run}, error = null where stage = {stage}");
            return;
        }
        var attempt = (session.Number($"select attempt from data_refresh where stage = {stage}") ?? 0) + 1;
        var wait = TimeSpan.FromTicks(Math.Min(LongestWait.Ticks, FirstWait.Ticks << (int)Math.Min(attempt - 1, 10)));
        if (error.Length > LongestError) error = error[..LongestError];
        session.Execute($"update data_refresh set attempt = {attempt}, next = {now + wait}, run = {run}, error = {error} where stage = {stage}");
    }

    static string LeaseOf(string stage) => LeasePrefix + stage;

    static Dictionary<string, Row> Rows(SqlSession session) => session.Query($"select stage, due, attempt, next, asked, succeeded, run, error from data_refresh", row =>
        new Row(row.Text(0), row.Time(1), (int)row.Number(2), row.Time(3), row.Time(4), row.TimeOrNull(5), row.TextOrNull(6), row.TextOrNull(7)))
        .ToDictionary(row => row.Stage);

    static DateTimeOffset Later(DateTimeOffset due, DateTimeOffset? next) => next > due ? next.Value : due;

    sealed record Row(string Stage, DateTimeOffset Due, int Attempt, DateTimeOffset Next, DateTimeOffset Asked, DateTimeOffset? Succeeded, string? Run, string? Error);
}
