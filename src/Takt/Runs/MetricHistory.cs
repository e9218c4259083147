using Takt.Storage;

namespace Takt.Runs;

/// <summary>The points of metrics, page by page.</summary>
public sealed class MetricHistory(Database database, Workspace workspace = default)
{
    /// <summary>The same, of another workspace.</summary>
    public MetricHistory In(Workspace other) => other == workspace ? this : new(database, other);

    static readonly PageOrder.Kind[] Kinds = [PageOrder.Kind.Number, PageOrder.Kind.Number, PageOrder.Kind.Number];

    /// <summary>Every point of a metric once, by time, step and value.</summary>
    /// <exception cref="TaktException">NotFound: no such run. Invalid: the token.</exception>
    public Page<MetricPoint> Of(string run, string key, int limit, string? token)
    {
        MetricPoint? after = PageOrder.Place("history", token, Kinds) is { } place ? new((long)place[1], (long)place[0], BitConverter.Int64BitsToDouble((long)place[2])) : null;
        var points = database.Read(session =>
        {
            if (!Visible(session, run)) throw RunLog.Unknown(run);
            return Points(session, run, key, limit, after);
        });
        if (points.Count <= limit) return new(points, null);
        points.RemoveRange(limit, points.Count - limit);
        var last = points[^1];
        return new(points, PageOrder.Token("history", [last.Time, last.Step, BitConverter.DoubleToInt64Bits(last.Value)]));
    }

    /// <summary>The first points of one metric of several runs, run by run in the order of their ids; unknown runs have none.</summary>
    public List<KeyValuePair<string, MetricPoint>> OfRuns(IReadOnlyCollection<string> runs, string key, int limit) => database.Read(session =>
    {
        var all = new List<KeyValuePair<string, MetricPoint>>();
        foreach (var run in runs.Distinct(StringComparer.Ordinal).Where(run => Visible(session, run)).Order(StringComparer.Ordinal))
            foreach (var point in Points(session, run, key, limit, null))
                if (all.Count < limit) all.Add(new(run, point));
        return all;
    });

    /// <summary>Points of several runs at no more steps than <paramref name="most"/>, spread evenly over those there are, and at each run's first and last step.</summary>
    /// <param name="steps">Only these, both included; null: from 0 on.</param>
    /// <exception cref="TaktException">NotFound: no such run.</exception>
    public List<KeyValuePair<string, MetricPoint>> Sampled(IReadOnlyList<string> runs, string key, int most, (long First, long Last)? steps, int mostOfRun) => database.Read(session =>
    {
        var histories = runs.Select(run => !Visible(session, run) ? throw RunLog.Unknown(run) : Points(session, run, key, int.MaxValue, null)).ToList();
        var (first, last) = steps ?? (0, histories.SelectMany(h => h).Select(p => p.Step).DefaultIfEmpty().Max());
        var there = histories.SelectMany(h => h).Select(p => p.Step).Where(step => step >= first && step <= last).Distinct().Order().ToList();
        var chosen = new HashSet<long>();
        if (there.Count <= most) chosen.UnionWith(there);
        else
        {
            var interval = there.Count / (double)most;
            for (var i = 0; i < most; i++) chosen.Add(there[(int)(i * interval)]);
            chosen.Add(there[^1]);
        }
        foreach (var history in histories.Where(h => h.Count > 0))
            foreach (var step in (long[])[history.Min(p => p.Step), history.Max(p => p.Step)])
                if (step >= first && step <= last) chosen.Add(step);
        var all = new List<KeyValuePair<string, MetricPoint>>();
        for (var i = 0; i < runs.Count; i++)
            all.AddRange(histories[i].Where(p => chosen.Contains(p.Step)).OrderBy(p => p.Step).ThenBy(p => p.Time).ThenBy(p => p.Value).Take(mostOfRun).Select(p => KeyValuePair.Create(runs[i], p)));
        return all;
    });

    bool Visible(SqlSession session, string run) =>
        session.Number($"select r.seq from run r join experiment e on e.id = r.experiment where r.id = {run} and e.workspace = {workspace}") is not null;

    /// <summary>One more than the limit, when there are more; memory is bounded by the limit, not by the history.</summary>
    static List<MetricPoint> Points(SqlSession session, string run, string key, int limit, MetricPoint? after)
    {
        var kept = new List<MetricPoint>();
        var tidyAt = limit > 1_000_000 ? int.MaxValue : (limit + 1) * 4;
        // block 0, which points that come one by one fill, is the newest; one query in that order would sort the blocks
        session.Query($"select points from metric_block where run = {run} and key = {key} and seq > 0 order by seq", Add);
        session.Query($"select points from metric_block where run = {run} and key = {key} and seq = 0", Add);
        MetricBlock.Order(kept);
        if (limit < int.MaxValue && kept.Count > limit + 1) kept.RemoveRange(limit + 1, kept.Count - limit - 1);
        return kept;

        int Add(SqlRow row)
        {
            for (var bytes = row.Bytes(0).AsSpan(); bytes.Length >= MetricBlock.PointSize; bytes = bytes[MetricBlock.PointSize..])
            {
                var point = MetricBlock.Point(bytes);
                if (after is { } place && point.CompareTo(place) <= 0) continue;
                kept.Add(point);
                if (kept.Count < tidyAt) continue;
                MetricBlock.Order(kept);
                if (kept.Count > limit + 1) kept.RemoveRange(limit + 1, kept.Count - limit - 1);
                // all points equal up to here leave the list full
                if (kept.Count > tidyAt / 2) tidyAt = Math.Max(tidyAt, kept.Count * 2);
            }
            return 0;
        }
    }
}
