using Takt.Data;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// Collects entries of <c>data:</c> at the times of their <c>refresh</c>, as pipeline runs of their stages. Of several servers on one database one does it: it holds
/// a lease that it renews, and that another takes over when it dies. What fails is tried again after 1, 2, 4 … minutes, at most an hour.
/// </summary>
/// <param name="owner">Who holds leases: one per process.</param>
public sealed class DataRefresh(PipelineRunner pipelines, CollectStep collect, Database database, TimeProvider time, string owner)
{
    public static readonly TimeSpan Lease = TimeSpan.FromMinutes(2);
    static readonly TimeSpan Beat = TimeSpan.FromSeconds(30), FirstWait = TimeSpan.FromMinutes(1), LongestWait = TimeSpan.FromHours(1);

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
            return new Refresh(entry.Stage, entry.Dataset, entry.Schedule, next, row?.Asked, row?.Succeeded, row?.Attempt ?? 0, row?.Error, row?.Run, row is not null && row.Owner.Length > 0 && row.Until > now ? row.Owner : null);
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
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var (run, error) = ((string?)null, (string?)null);
        await using (time.CreateTimer(_ => _ = Renew(stage, stop), null, Beat, Beat))
            try
            {
                var result = await pipelines.Run(new PipelineRequest([stage], Trigger: "schedule"), cancel: stop.Token);
                run = result.Run.Value;
                if (!result.Succeeded) error = result.Stages.First(s => !s.Succeeded).Summary;
            }
            catch (TaktException e)
            {
                error = e.Message;
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                await database.Write(session => session.Execute($"update data_refresh set owner = '', until = 0 where stage = {stage} and owner = {owner}")); // the next server begins at once
                throw;
            }
            catch (OperationCanceledException)
            {
                return; // somebody else is at it by now
            }
        await database.Write(session => End(session, stage, due, run, error));
    }

    async Task Renew(string stage, CancellationTokenSource stop)
    {
        try
        {
            var until = time.GetUtcNow() + Lease;
            if (await database.Write(session => session.Execute($"update data_refresh set until = {until} where stage = {stage} and owner = {owner}")) == 0) await stop.CancelAsync();
        }
        catch (Exception e) when (e is TaktException or ObjectDisposedException)
        {
            // the database is away: the lease runs out, or the next beat comes through
        }
    }

    bool Take(SqlSession session, string stage, DateTimeOffset due)
    {
        var now = time.GetUtcNow();
        session.Execute($"insert into data_refresh(stage, due, attempt, next, owner, until, asked) values({stage}, {DateTimeOffset.UnixEpoch}, 0, {DateTimeOffset.UnixEpoch}, '', {DateTimeOffset.UnixEpoch}, {DateTimeOffset.UnixEpoch}) on conflict do nothing");
        return session.Execute($"""
            update data_refresh set owner = {owner}, until = {now + Lease}, asked = {now}
            where stage = {stage} and due < {due} and next <= {now} and (owner = '' or until <= {now})
            """) > 0;
    }

    void End(SqlSession session, string stage, DateTimeOffset due, string? run, string? error)
    {
        var now = time.GetUtcNow();
        if (error is null)
        {
            session.Execute($"update data_refresh set due = {due}, attempt = 0, next = 0, owner = '', until = 0, succeeded = {now}, run = {run}, error = null where stage = {stage} and owner = {owner}");
            return;
        }
        var attempt = (session.Number($"select attempt from data_refresh where stage = {stage}") ?? 0) + 1;
        var wait = TimeSpan.FromTicks(Math.Min(LongestWait.Ticks, FirstWait.Ticks << (int)Math.Min(attempt - 1, 10)));
        if (error.Length > LongestError) error = error[..LongestError];
        session.Execute($"update data_refresh set attempt = {attempt}, next = {now + wait}, owner = '', until = 0, run = {run}, error = {error} where stage = {stage} and owner = {owner}");
    }

    static Dictionary<string, Row> Rows(SqlSession session) => session.Query($"select stage, due, attempt, next, owner, until, asked, succeeded, run, error from data_refresh", row =>
        new Row(row.Text(0), row.Time(1), (int)row.Number(2), row.Time(3), row.Text(4), row.Time(5), row.Time(6), row.IsNull(7) ? null : row.Time(7), row.IsNull(8) ? null : row.Text(8), row.IsNull(9) ? null : row.Text(9)))
        .ToDictionary(row => row.Stage);

    static DateTimeOffset Later(DateTimeOffset due, DateTimeOffset? next) => next > due ? next.Value : due;

    sealed record Row(string Stage, DateTimeOffset Due, int Attempt, DateTimeOffset Next, string Owner, DateTimeOffset Until, DateTimeOffset Asked, DateTimeOffset? Succeeded, string? Run, string? Error);
}
