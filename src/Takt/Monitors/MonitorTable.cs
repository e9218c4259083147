using System.Text;
using System.Text.Json;
using Takt.Data;
using Takt.Evaluation;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Monitors;

/// <summary>Windows, alerts and trigger events as rows.</summary>
public sealed class MonitorTable(Database database, TimeProvider time, Leases leases)
{
    /// <summary>How the names of the leases of triggers begin.</summary>
    public const string LeasePrefix = "trigger/";

    /// <summary>A trigger in whose midst so many servers were gone is over: perhaps they were gone because of it.</summary>
    public const int MostDeaths = 3;

    /// <summary>The newest first.</summary>
    public IReadOnlyList<MonitorWindow> Windows(string monitor, int limit = 200) => database.Read(session => session.Query($"""
        select start_time, end_time, rows, labelled, model, drift, performance, verdict from monitor_window where monitor = {monitor} order by start_time desc limit {limit}
        """, row =>
        {
            var performance = Measured(row.Text(6), out var confusion);
            return new MonitorWindow(monitor, row.Time(0), row.Time(1), row.Number(2), row.Number(3), row.Text(4), JsonSerializer.Deserialize(row.Text(5), MonitorsJson.Default.ListColumnDrift)!, performance, row.Text(7)) { Confusion = confusion };
        }));

    /// <summary>The metrics, and beside them the member <c>confusion</c> as a metrics file has it.</summary>
    static Dictionary<string, double> Measured(string json, out Confusion? confusion)
    {
        using var of = JsonDocument.Parse(json);
        confusion = Confusion.Of(of.RootElement);
        return of.RootElement.EnumerateObject().Where(p => p.Name != "confusion").ToDictionary(p => p.Name, p => p.Value.Deserialize(MonitorsJson.Default.Double), StringComparer.Ordinal);
    }

    static string Measured(MonitorWindow window)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            foreach (var (name, value) in window.Performance)
            {
                json.WritePropertyName(name);
                JsonSerializer.Serialize(json, value, MonitorsJson.Default.Double);
            }
            window.Confusion?.Write(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    /// <summary>The newest window of each monitor that has one, in the order of their names.</summary>
    public IReadOnlyList<MonitorWindow> Newest() => database.Read(session => session.Query($"select distinct monitor from monitor_window order by monitor", row => row.Text(0)))
        .SelectMany(monitor => Windows(monitor, 1)).ToList();

    /// <summary>The newest first; of all monitors when none is named.</summary>
    public IReadOnlyList<Alert> Alerts(string? monitor = null, int limit = 100) => database.Read(session => session.Query(monitor is null
        ? (Sql)$"select id, monitor, window_start, kind, message, evidence, created from alert order by id desc limit {limit}"
        : $"select id, monitor, window_start, kind, message, evidence, created from alert where monitor = {monitor} order by id desc limit {limit}",
        row => new Alert(row.Number(0), row.Text(1), row.Time(2), row.Text(3), row.Text(4), row.Text(5), row.Time(6))));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<TriggerEvent> Triggers(int limit = 100) => database.Read(session => session.Query(
        $"select id, kind, monitor, alert, event_time, state, run, outcome, created from trigger_event order by id desc limit {limit}", ReadTrigger));

    /// <summary>
    /// The window, the alerts that it raises, and what they start, in one transaction: after a crash all of it is there or nothing. An alert that was
    /// raised before is not raised again.
    /// </summary>
    public Task Put(MonitorWindow window, IReadOnlyList<(string Kind, string Message, string Evidence)> alerts, DriftTrigger? trigger) => database.Write(session =>
    {
        var now = time.GetUtcNow();
        session.Execute($"""
            insert into monitor_window(monitor, start_time, end_time, rows, labelled, model, drift, performance, verdict, updated)
            values({window.Monitor}, {window.Start}, {window.End}, {window.Rows}, {window.Labelled}, {window.Model},
                   {JsonSerializer.Serialize(window.Drift, MonitorsJson.Default.IReadOnlyListColumnDrift)},
                   {Measured(window)}, {window.Verdict}, {now})
            on conflict(monitor, start_time) do update set end_time = excluded.end_time, rows = excluded.rows, labelled = excluded.labelled, model = excluded.model, drift = excluded.drift,
                   performance = excluded.performance, verdict = excluded.verdict, updated = excluded.updated
            """);
        foreach (var (kind, message, evidence) in alerts)
        {
            if (Raise(session, window.Monitor, window.Start, kind, message, evidence, now) is { } id && trigger is not null) Trigger(session, window, id, trigger, now);
        }
    });

    /// <summary>An alert that belongs to no window, and starts nothing; once for each moment.</summary>
    public Task Raise(string monitor, DateTimeOffset at, string kind, string message, string evidence) =>
        database.Write(session => { Raise(session, monitor, at, kind, message, evidence, time.GetUtcNow()); });

    static long? Raise(SqlSession session, string monitor, DateTimeOffset at, string kind, string message, string evidence, DateTimeOffset now)
    {
        if (session.Number($"select id from alert where monitor = {monitor} and window_start = {at} and kind = {kind}") is not null) return null;
        var id = (session.Number($"select max(id) from alert") ?? 0) + 1;
        session.Execute($"insert into alert(id, monitor, window_start, kind, message, evidence, created) values({id}, {monitor}, {at}, {kind}, {message}, {evidence}, {now})");
        return id;
    }

    /// <summary>As if the window had not been looked at.</summary>
    public Task Remove(MonitorWindow window) => database.Write(session => session.Execute($"delete from monitor_window where monitor = {window.Monitor} and start_time = {window.Start}"));

    /// <summary>What was kept of a version's first predictions; null: nothing yet.</summary>
    public Baseline? Baseline(string monitor, string model, string of) => database.Read(session => session.First(
        $"select profile, until from monitor_baseline where monitor = {monitor} and model = {model} and taken_of = {of}", row => new Baseline(of, TableProfile.Parse(row.Text(0)), row.Time(1))));

    /// <summary>Keeps a baseline of predictions: what comes later no longer changes it. Of two that keep one, the first does.</summary>
    public Task Keep(string monitor, string model, Baseline baseline) => database.Write(session => session.Execute($"""
        insert into monitor_baseline(monitor, model, taken_of, profile, rows, until, created)
        values({monitor}, {model}, {baseline.Of}, {baseline.Profile.ToJson()}, {baseline.Profile.Rows}, {baseline.Until!.Value}, {time.GetUtcNow()}) on conflict(monitor, model, taken_of) do nothing
        """));

    /// <summary>The oldest that waits, or whose server is gone, marked as running; null when there is none.</summary>
    public async Task<TakenTrigger?> Take(CancellationToken cancel)
    {
        if (database.Read(Waiting) is null) return null; // several times a second
        var taken = await database.Write(session =>
        {
            while (Waiting(session) is { } next)
            {
                var deaths = next.Deaths + (next.Trigger.State == "running" ? 1 : 0);
                if (deaths < MostDeaths)
                {
                    if (!leases.Take(session, LeaseOf(next.Trigger))) return null;
                    session.Execute($"update trigger_event set state = 'running', deaths = {deaths}, updated = {time.GetUtcNow()} where id = {next.Trigger.Id}");
                    return Tuple.Create(next.Trigger, deaths);
                }
                var outcome = $"given up: {deaths} servers were gone in the midst of it; see their logs and memory, then run 'takt run'"; // a local: a nested $"" would be read as SQL
                session.Execute($"update trigger_event set state = 'done', deaths = {deaths}, outcome = {outcome}, updated = {time.GetUtcNow()} where id = {next.Trigger.Id}");
            }
            return null;
        });
        return taken is null ? null : new TakenTrigger(taken.Item1, taken.Item2 > 0, leases.Hold(LeaseOf(taken.Item1), cancel));
    }

    /// <summary>It is over, unless another server has taken it over.</summary>
    public Task End(TakenTrigger taken, string? run, string outcome) => database.Write(session =>
    {
        if (taken.Lease.End(session)) session.Execute($"update trigger_event set state = 'done', run = {run}, outcome = {outcome}, updated = {time.GetUtcNow()} where id = {taken.Trigger.Id}");
    });

    /// <summary>This server stops: the next one begins it at once.</summary>
    public Task GiveBack(TakenTrigger taken) => database.Write(session =>
    {
        if (taken.Lease.End(session)) session.Execute($"update trigger_event set state = 'pending' where id = {taken.Trigger.Id}");
    });

    /// <summary>Forgets all that the monitor saw.</summary>
    public Task Clear(string monitor) => database.Write(session =>
    {
        session.Execute($"delete from trigger_event where monitor = {monitor}");
        session.Execute($"delete from alert where monitor = {monitor}");
        session.Execute($"delete from monitor_window where monitor = {monitor}");
        session.Execute($"delete from monitor_baseline where monitor = {monitor}");
    });

    sealed record WaitingTrigger(TriggerEvent Trigger, int Deaths);

    WaitingTrigger? Waiting(SqlSession session) => session.First($"""
        select id, kind, monitor, alert, event_time, state, run, outcome, created, deaths from trigger_event t
        where state = 'pending' or (state = 'running' and not exists(select 1 from lease l where l.name = {LeasePrefix} || t.id and l.until > {time.GetUtcNow()}))
        order by id limit 1
        """, row => new WaitingTrigger(ReadTrigger(row), (int)row.Number(9)));

    static string LeaseOf(TriggerEvent trigger) => LeasePrefix + trigger.Id;

    static void Trigger(SqlSession session, MonitorWindow window, long alert, DriftTrigger trigger, DateTimeOffset now)
    {
        var last = session.Number($"select max(event_time) from trigger_event where monitor = {window.Monitor}");
        if (last is not null && window.End.ToUnixTimeMilliseconds() < last + (long)trigger.Cooldown.TotalMilliseconds) return;
        session.Execute($"""
            insert into trigger_event(id, kind, monitor, alert, event_time, state, outcome, created, updated)
            values({(session.Number($"select max(id) from trigger_event") ?? 0) + 1}, {"drift"}, {window.Monitor}, {alert}, {window.End}, {"pending"}, {""}, {now}, {now})
            """);
    }

    static TriggerEvent ReadTrigger(SqlRow row) => new(row.Number(0), row.Text(1), row.Text(2), row.Number(3), row.Time(4), row.Text(5), row.TextOrNull(6), row.Text(7), row.Time(8));
}
