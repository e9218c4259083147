using System.Globalization;
using System.Text.Json.Nodes;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Deployments;
using Takt.Evaluation;
using Takt.Models;
using Takt.Pipelines;

namespace Takt.Monitors;

/// <summary>
/// Looks at each window of an endpoint's predictions once it has passed, by a later prediction or, when none comes, by the clock: drift against the baseline of the version
/// that answered (see <see cref="Baselines"/>), and, when nearly all its labels are there, performance against that version's evaluation.
/// </summary>
/// <remarks>Windows are of event time and begin at whole multiples of their length from Monday 1970-01-05. Not safe for concurrent calls.</remarks>
public sealed class MonitorWatch(MonitorTable table, ModelRegistry registry, PredictionLogs logs, Datasets datasets, TimeProvider time)
{
    const string NoBaseline = "no baseline yet";

    /// <summary>Windows one after another in which nothing was asked are one.</summary>
    const string NoPredictions = "no predictions";

    readonly Baselines _baselines = new(table, datasets);

    /// <summary>Share of a window's predictions that must be labelled before its performance is judged: the first labels are seldom a fair sample.</summary>
    public const double Mature = 0.9;

    /// <summary>
    /// A column has drifted when it is as far from the reference as the threshold says and chance alone hardly goes so far: PSI of B bins is about (B - 1)(1/n + 1/m) without any drift
    /// (Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020), which is 0.2 for 50 categories in 300 rows.
    /// </summary>
    const double ByChance = 0.01;

    /// <summary>How far back windows wait for labels.</summary>
    const int LabelWindows = 60;

    static readonly DateTimeOffset Origin = new(1970, 1, 5, 0, 0, 0, TimeSpan.Zero);

    public MonitorTable Table => table;

    /// <summary>Judges what is ready. Cheap when nothing is.</summary>
    /// <param name="spec">The monitor.</param>
    /// <param name="trigger">What its alerts start; null: nothing.</param>
    /// <returns>How many windows were judged.</returns>
    public async Task<int> Tick(MonitorSpec spec, DriftTrigger? trigger)
    {
        var log = logs.Of(spec.Endpoint);
        await log.Flush();
        var known = table.Windows(spec.Name, LabelWindows).ToDictionary(w => w.Start);
        using var connection = await log.Open(new LogRange(From: known.Count > 0 ? known.Keys.Min() : null));
        if (connection is null) return 0;
        var judged = 0;
        var windows = Windows(connection, spec);
        foreach (var (start, rows, labelled, _, came) in windows)
        {
            if (start == windows[^1].Start && !(IsLive(spec, windows[^1]) && HasPassed(spec, start + spec.Window, came))) continue;
            var before = known.GetValueOrDefault(start);
            if (before is null && known.Count > 0 && start < known.Keys.Min()) continue; // judged long ago
            if (before is not null && before.Performance.Count > 0) continue; // its labels were there
            if (before is not null && before.Labelled == labelled && before.Rows == rows && before.Verdict != NoBaseline) continue;
            await Judge(connection, spec, trigger, start, rows, labelled);
            judged++;
        }
        await Silences(spec, windows, known);
        return judged;
    }

    /// <summary>
    /// Whether the newest predictions are of the time in which they came. What is sent of long ago tells nothing of now: its last window may be a part of one, which looks like drift, and is judged when
    /// a later one begins.
    /// </summary>
    static bool IsLive(MonitorSpec spec, LogWindow newest) => newest.Last >= newest.Came - spec.Window - spec.Lateness;

    /// <summary>It is over by the clock, and so is what came late.</summary>
    bool HasPassed(MonitorSpec spec, DateTimeOffset end, DateTimeOffset came) => time.GetUtcNow() - spec.Lateness >= (end > came ? end : came);

    /// <summary>Shows between which windows nothing was asked, also since the last one, and raises the alert of <c>silence:</c>.</summary>
    async Task Silences(MonitorSpec spec, List<LogWindow> windows, Dictionary<DateTimeOffset, MonitorWindow> known)
    {
        if (windows.Count == 0) return;
        var silent = new Dictionary<DateTimeOffset, DateTimeOffset>();
        for (var i = 1; i < windows.Count; i++)
            if (windows[i].Start > windows[i - 1].Start + spec.Window) silent[windows[i - 1].Start + spec.Window] = windows[i].Start;
        var (now, newest) = (time.GetUtcNow(), windows[^1]);
        var cameLast = windows.Max(w => w.Came);
        var isLive = IsLive(spec, newest);
        if (isLive && HasPassed(spec, newest.Start + (2 * spec.Window), cameLast))
            silent[newest.Start + spec.Window] = Origin + (spec.Window * Math.Floor((now - spec.Lateness - Origin) / spec.Window));
        foreach (var (start, end) in silent)
            if (known.GetValueOrDefault(start)?.End != end) await table.Put(new MonitorWindow(spec.Name, start, end, 0, 0, "", [], new Dictionary<string, double>(), NoPredictions), [], null);
        foreach (var window in known.Values.Where(w => w.Verdict == NoPredictions && !silent.ContainsKey(w.Start) && windows.TrueForAll(other => other.Start != w.Start))) await table.Remove(window); // some came late
        if (isLive && spec.Silence is { } most && now - cameLast >= most)
            await table.Raise(spec.Name, cameLast, "silence", Text($"no predictions since {cameLast.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC"),
                new JsonObject { ["last"] = cameLast, ["allowed_s"] = most.TotalSeconds }.ToJsonString());
    }

    /// <summary>A window with predictions.</summary>
    /// <param name="Last">The time of the newest one.</param>
    /// <param name="Came">When the last one came.</param>
    sealed record LogWindow(DateTimeOffset Start, long Rows, long Labelled, DateTimeOffset Last, DateTimeOffset Came);

    /// <summary>All windows with predictions, the last one perhaps not over, the oldest first.</summary>
    static List<LogWindow> Windows(DuckDBConnection connection, MonitorSpec spec)
    {
        var (origin, length) = (Origin.ToUnixTimeMilliseconds() * 1000, (long)spec.Window.TotalMicroseconds);
        var found = Tables.Query(connection, $"""
            with p as (select id, epoch_us(time) as happened, epoch_us(received) as came, (epoch_us(time) - {origin}) // {length} as number from predictions where error = '')
            select number, count(*) as rows, count(l.id) as labelled, max(happened) as newest, max(came) as came from p left join labels l using (id) group by number order by number
            """);
        return Enumerable.Range(0, found.Rows).Select(i => new LogWindow(Time(origin + (found["number"].Integers[i] * length)),
            found["rows"].Integers[i], found["labelled"].Integers[i], Time(found["newest"].Integers[i]), Time(found["came"].Integers[i]))).ToList();

        static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * 10);
    }

    async Task Judge(DuckDBConnection connection, MonitorSpec spec, DriftTrigger? trigger, DateTimeOffset start, long rows, long labelled)
    {
        var end = start + spec.Window;
        string Within(string of) => $"{of}.error = '' and {of}.time >= {Timestamp(start)} and {of}.time < {Timestamp(end)}";
        var model = Tables.Query(connection, $"select model_version from predictions p where {Within("p")} group by 1 order by count(*) desc, 1 limit 1")["model_version"].Texts[0]!;
        var window = new MonitorWindow(spec.Name, start, end, rows, labelled, model, [], new Dictionary<string, double>(), "few rows");
        var alerts = new List<(string, string, string)>();
        if (rows >= spec.MinRows)
        {
            var version = registry.Find(model) is { Package: not null } registered ? registered : null;
            var info = version is null ? null : ModelPackage.Open(await registry.PackageFolder(version)).Info;
            var baseline = await _baselines.Find(connection, spec, model, version, info);
            if (baseline is null || start < baseline.Until)
            {
                await table.Put(window with { Verdict = baseline is null ? NoBaseline : "baseline" }, alerts, trigger);
                return;
            }
            var asked = Tables.Query(connection, $"select p.*, l.label from predictions p left join labels l using (id) where {Within("p")} order by p.id");
            var mature = labelled >= rows * Mature;
            window = window with { Drift = Drift(baseline, info, asked, mature), Verdict = mature ? "ok" : "waiting for labels" };
            AddDrift(window, spec, baseline, alerts);
            if (mature && info is not null && Scored(info, asked) is { } scores)
            {
                window = window with { Performance = scores.Defined(), Confusion = (scores as ClassScores)?.Confusion() };
                AddPerformance(window, spec, version!, alerts);
            }
            if (alerts.Count > 0) window = window with { Verdict = "alert" };
        }
        await table.Put(window, alerts, trigger);
    }

    static IReadOnlyList<ColumnDrift> Drift(Baseline baseline, PackageInfo? info, Table table, bool mature)
    {
        var columns = new List<(string Name, string Shown, Column Values)>();
        if (baseline.IsOfLog)
            foreach (var column in baseline.Profile.Columns) Add(column.Name, column.Name[(column.Name.IndexOf('_', StringComparison.Ordinal) + 1)..], table.Find(column.Name));
        else if (info is { Features.Count: > 0 })
            foreach (var feature in info.Features) Add(feature.Name, feature.Name, table.Find("in_" + feature.Name));
        else
            foreach (var column in table.Columns)
                if (column.Name.StartsWith("in_", StringComparison.Ordinal)) Add(column.Name[3..], column.Name[3..], column);
        if (!baseline.IsOfLog && info is not null) Add(info.Output, info.Output, table.Find("out_" + info.Output));
        if (mature && !baseline.IsOfLog && info is not null) Add(info.Target, "label", table.Find("label") is { } label ? AsCounted(label) : null);
        return DriftTest.Run(baseline.Profile, columns);

        void Add(string name, string shown, Column? values)
        {
            if (values is not null) columns.Add((name, shown, values));
        }
    }

    /// <summary>Labels are numbers; the target may have been a whole number or true and false, whose text they must match.</summary>
    static Column AsCounted(Column label)
    {
        if (label.Type == ColumnType.Text) return label; // classes
        var values = new long[label.Length];
        var missing = new bool[label.Length];
        for (var row = 0; row < values.Length; row++)
        {
            var value = label.NumberAt(row);
            if (double.IsNaN(value)) missing[row] = true;
            else if (value != Math.Floor(value)) return label;
            else values[row] = (long)value;
        }
        return Column.Of(label.Name, values, missing);
    }

    /// <returns>Null: a client's model that answers otherwise.</returns>
    static Scores? Scored(PackageInfo info, Table table)
    {
        var label = table["label"];
        if (table.Find("out_" + info.Output) is not { } answer || (answer.Type == ColumnType.Text) != info.Classes is not null) return null;
        var rows = Enumerable.Range(0, table.Rows).Where(r => !label.IsMissing(r) && !answer.IsMissing(r)).ToArray();
        if (info.Classes is { } known)
        {
            var truth = Column.Of(label.Name, rows.Select(label.TextAt).ToArray());
            Column? Probability(string name) => known.Contains(name) && table.Find("out_" + PackageInfo.ProbabilityOf(name)) is { } column ? Column.Of(column.Name, rows.Select(column.NumberAt).ToArray()) : null;
            return ClassScores.Of(ClassScores.All(known, truth), truth, Probability);
        }
        if (label.Type == ColumnType.Text) return null; // of a model before it, which said classes
        return new NumberScores(rows.Select(answer.NumberAt).ToArray(), rows.Select(label.NumberAt).ToArray(), info.Task == "binary");
    }

    static void AddDrift(MonitorWindow window, MonitorSpec spec, Baseline baseline, List<(string, string, string)> alerts)
    {
        var moved = window.Drift.Where(d => d.Psi >= spec.Threshold && d.P < ByChance).ToList();
        if (moved.Count == 0) return;
        var evidence = new JsonObject { ["threshold"] = spec.Threshold, ["columns"] = new JsonArray([.. moved.Select(Json)]), ["rows"] = window.Rows, ["model"] = window.Model, ["baseline"] = baseline.Of };
        alerts.Add(("drift", Text($"{moved[0].Column} has PSI {moved[0].Psi:0.00} (threshold {spec.Threshold:0.##}): {moved[0].Moved}"), evidence.ToJsonString()));
    }

    static void AddPerformance(MonitorWindow window, MonitorSpec spec, ModelVersion version, List<(string, string, string)> alerts)
    {
        if (spec.Metric is { } metric && window.Performance.TryGetValue(metric, out var value) && version.Metrics.TryGetValue(metric, out var reference))
        {
            var worse = Metric.LowerIsBetter(metric) ? value - reference : reference - value;
            if (worse > spec.Drop)
                alerts.Add(("performance", Text($"{metric} is {value:0.000}, at registration it was {reference:0.000} (allowed: {spec.Drop:0.###} worse)"),
                    Evidence(window, metric, value, reference, spec.Drop)));
        }
        if (spec.Calibration is { } most && window.Performance.TryGetValue("calibration_gap", out var gap) && gap > most)
        {
            var (said, was) = (window.Performance["mean_score"], window.Performance["positive_rate"]);
            alerts.Add(("calibration", Text($"predicted {said:P1}, happened {was:P1} (allowed gap: {most:P0})"), Evidence(window, "calibration_gap", gap, null, most)));
        }
    }

    static string Evidence(MonitorWindow window, string metric, double value, double? reference, double allowed) => new JsonObject
    {
        ["metric"] = metric,
        ["value"] = value,
        ["reference"] = reference,
        ["allowed"] = allowed,
        ["labelled"] = window.Labelled,
        ["model"] = window.Model,
        ["columns"] = new JsonArray([.. window.Drift.Take(3).Select(Json)]),
    }.ToJsonString();

    static JsonObject Json(ColumnDrift drift) => new() { ["column"] = drift.Column, ["psi"] = Math.Round(drift.Psi, 4), ["test"] = drift.Test, ["p"] = drift.P, ["moved"] = drift.Moved };

    static string Timestamp(DateTimeOffset time) => DuckDb.Text(time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture)) + "::timestamp";

    static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
