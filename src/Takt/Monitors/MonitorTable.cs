using System.Text.Json;
using Takt.Data;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Monitors;

/// <summary>Windows, alerts and trigger events as rows.</summary>
public sealed class MonitorTable(Database database, TimeProvider time)
{
    /// <summary>The newest first.</summary>
    public IReadOnlyList<MonitorWindow> Windows(string monitor, int limit = 200) => database.Read(session => session.Query($"""
        select start_time, end_time, rows, labelled, model, drift, performance, verdict from monitor_window where monitor = {monitor} order by start_time desc limit {limit}
        """, row => new MonitorWindow(monitor, row.Time(0), row.Time(1), row.Number(2), row.Number(3), row.Text(4),
            JsonSerializer.Deserialize(row.Text(5), MonitorsJson.Default.ListColumnDrift)!, JsonSerializer.Deserialize(row.Text(6), MonitorsJson.Default.DictionaryStringDouble)!, row.Text(7))));

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
                   {JsonSerializer.Serialize(window.Performance, MonitorsJson.Default.IReadOnlyDictionaryStringDouble)}, {window.Verdict}, {now})
            on conflict(monitor, start_time) do update set rows = excluded.rows, labelled = excluded.labelled, model = excluded.model, drift = excluded.drift,
                   performance = excluded.performance, verdict = excluded.verdict, updated = excluded.updated
            """);
        foreach (var (kind, message, evidence) in alerts)
        {
            if (session.Number($"select id from alert where monitor = {window.Monitor} and window_start = {window.Start} and kind = {kind}") is not null) continue;
            var id = (session.Number($"select max(id) from alert") ?? 0) + 1;
            session.Execute($"""
                insert into alert(id, monitor, window_start, kind, message, evidence, created)
                values({id}, {window.Monitor}, {window.Start}, {kind}, {message}, {evidence}, {now})
                """);
            if (trigger is not null) Trigger(session, window, id, trigger, now);
        }
    });

    /// <summary>What was kept of a version's first predictions; null: nothing yet.</summary>
    public Baseline? Baseline(string monitor, string model, string of) => database.Read(session => session.First(
        $"select profile, until from monitor_baseline where monitor = {monitor} and model = {model} and taken_of = {of}", row => new Baseline(of, TableProfile.Parse(row.Text(0)), row.Time(1))));

    /// <summary>Keeps a baseline of predictions: what comes later no longer changes it. Of two that keep one, the first does.</summary>
    public Task Keep(string monitor, string model, Baseline baseline) => database.Write(session => session.Execute($"""
        insert into monitor_baseline(monitor, model, taken_of, profile, rows, until, created)
        values({monitor}, {model}, {baseline.Of}, {baseline.Profile.ToJson()}, {baseline.Profile.Rows}, {baseline.Until!.Value}, {time.GetUtcNow()}) on conflict(monitor, model, taken_of) do nothing
        """));

    /// <summary>The oldest that waits, marked as running.</summary>
    public Task<TriggerEvent?> Take() => database.Write(session =>
    {
        var next = session.First(
            $"select id, kind, monitor, alert, event_time, state, run, outcome, created from trigger_event where state = 'pending' order by id limit 1", ReadTrigger);
        if (next is not null) session.Execute($"update trigger_event set state = 'running', updated = {time.GetUtcNow()} where id = {next.Id}");
        return next;
    });

    public Task End(TriggerEvent trigger, string? run, string outcome) => database.Write(session => session.Execute(
        $"update trigger_event set state = 'done', run = {run}, outcome = {outcome}, updated = {time.GetUtcNow()} where id = {trigger.Id}"));

    /// <summary>Forgets all that the monitor saw.</summary>
    public Task Clear(string monitor) => database.Write(session =>
    {
        session.Execute($"delete from trigger_event where monitor = {monitor}");
        session.Execute($"delete from alert where monitor = {monitor}");
        session.Execute($"delete from monitor_window where monitor = {monitor}");
        session.Execute($"delete from monitor_baseline where monitor = {monitor}");
    });

    /// <summary>What a dead server had taken waits again.</summary>
    public Task Recover() => database.Write(session => session.Execute($"update trigger_event set state = 'pending' where state = 'running'"));

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
