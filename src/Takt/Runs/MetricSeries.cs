using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// Metrics over steps or time for charts: few points exactly, many thinned so that no extreme is lost (the axis is cut into equal stretches, of each the
/// least and the greatest value stay, in the order they came).
/// </summary>
public sealed class MetricSeries(Database database, Workspace workspace = default)
{
    public MetricSeries In(Workspace other) => other == workspace ? this : new(database, other);

    /// <summary>Places on the axis, at most.</summary>
    public const int MostPlaces = 1000;

    readonly record struct Point(double X, double Value, long Time);

    /// <summary>The metrics of a run, by name.</summary>
    public IReadOnlyList<MetricKey> Keys(string run) => database.Read(session =>
    {
        var many = session.Query($"select key from metric_block where run = {run} group by key having count(*) > 1 or sum(length(points)) > 24", row => row.Text(0)).ToHashSet(StringComparer.Ordinal);
        return session.Query($"select key, value, is_nan, step, time from run_metric where run = {run} order by key",
            row => new MetricKey(new(row.Text(0), row.Flag(2) ? double.NaN : row.Real(1), row.Number(3), row.Time(4)), many.Contains(row.Text(0))));
    });

    /// <summary>Bytes of points that are looked through for extremes: some millions of points, in tens of milliseconds.</summary>
    const long MostLookedThrough = 16 << 20;

    /// <summary>Between which numbers each metric of a run lay; those of one point, without any number, or of a run with very many points are left out.</summary>
    public IReadOnlyDictionary<string, MetricExtremes> Extremes(string run) => database.Read(session =>
    {
        var found = new Dictionary<string, MetricExtremes>(StringComparer.Ordinal);
        if ((session.Number($"select sum(length(points)) from metric_block where run = {run}") ?? 0) > MostLookedThrough) return found;
        var points = new List<MetricValue>();
        var many = new HashSet<string>(StringComparer.Ordinal);
        session.Query($"select key, points from metric_block where run = {run}", row =>
        {
            var key = row.Text(0);
            points.Clear();
            MetricBlock.Decode(key, row.Bytes(1), points);
            foreach (var p in points)
            {
                if (double.IsNaN(p.Value)) continue;
                if (!found.TryGetValue(key, out var known)) found[key] = new(p.Value, p.Step, p.Value, p.Step);
                else
                {
                    many.Add(key);
                    if (p.Value < known.Least || (p.Value == known.Least && p.Step < known.LeastStep)) known = known with { Least = p.Value, LeastStep = p.Step };
                    if (p.Value > known.Most || (p.Value == known.Most && p.Step < known.MostStep)) known = known with { Most = p.Value, MostStep = p.Step };
                    found[key] = known;
                }
            }
            return true;
        });
        foreach (var key in found.Keys.Where(key => !many.Contains(key)).ToList()) found.Remove(key);
        return found;
    });

    /// <param name="from">Only points at or after this place on the axis; null: from the first.</param>
    /// <param name="places">Places on the axis at most, 20 or more.</param>
    /// <remarks>Runs that are not there, or are of another workspace, are left out.</remarks>
    /// <exception cref="TaktException">NotFound: none of them is there.</exception>
    public SeriesChart Chart(IReadOnlyList<string> runs, string key, SeriesAxis axis, double? from = null, double? to = null, int places = MostPlaces)
    {
        var there = database.Read(session => session.Query($"""
            select r.id from run r join experiment e on e.id = r.experiment where e.workspace = {workspace} and r.id in ({Sql.Join(", ", runs.Select(id => (Sql)$"{id}"))})
            """, row => row.Text(0))).ToHashSet(StringComparer.Ordinal);
        runs = [.. runs.Where(there.Contains)];
        if (runs.Count == 0) throw TaktException.NotFound("none of these runs is here");
        var lines = database.Read(session => runs.Select(run => Points(session, run, key, axis, from, to)).ToList());
        return Exact(runs, lines, places) ?? Thinned(runs, lines, places / 2);
    }

    static List<Point> Points(SqlSession session, string run, string key, SeriesAxis axis, double? from, double? to)
    {
        var raw = new List<MetricValue>();
        session.Query($"select points from metric_block where run = {run} and key = {key} order by seq", row =>
        {
            MetricBlock.Decode(key, row.Bytes(0), raw);
            return true;
        });
        if (raw.Count == 0) return [];
        var first = axis == SeriesAxis.Relative ? raw.Min(p => p.Time.ToUnixTimeMilliseconds()) : 0;
        var points = new List<Point>(raw.Count);
        foreach (var p in raw)
        {
            var ms = p.Time.ToUnixTimeMilliseconds();
            var x = axis == SeriesAxis.Step ? p.Step : (ms - first) / 1000.0;
            if ((from is null || x >= from) && (to is null || x <= to)) points.Add(new(x, Math.Abs(p.Value) == double.MaxValue ? double.NaN : p.Value, ms)); // what was infinite: all others would be one line beside it
        }
        points.Sort(static (a, b) => a.X != b.X ? a.X.CompareTo(b.X) : a.Time.CompareTo(b.Time));
        var kept = 0;
        for (var i = 0; i < points.Count; i++) // a batch that was sent twice was logged once
            if (kept == 0 || !points[kept - 1].Equals(points[i])) points[kept++] = points[i];
        points.RemoveRange(kept, points.Count - kept);
        return points;
    }

    static SeriesChart? Exact(IReadOnlyList<string> runs, List<List<Point>> lines, int places)
    {
        var times = new SortedDictionary<double, int>(); // how often each place is needed: by the run that has it most often
        foreach (var line in lines)
            for (var i = 0; i < line.Count;)
            {
                var end = i + 1;
                while (end < line.Count && line[end].X == line[i].X) end++;
                times[line[i].X] = Math.Max(times.GetValueOrDefault(line[i].X), end - i);
                if (times.Count > places) return null;
                i = end;
            }
        if (times.Values.Sum() > places) return null;
        var x = times.SelectMany(t => Enumerable.Repeat(t.Key, t.Value)).ToArray();
        return new(x, lines.Select((line, n) =>
        {
            var values = Empty(x.Length);
            var at = 0;
            foreach (var point in line)
            {
                while (x[at] < point.X) at++;
                values[at++] = point.Value;
            }
            return Line(runs[n], values, line);
        }).ToList(), Exact: true);
    }

    static SeriesChart Thinned(IReadOnlyList<string> runs, List<List<Point>> lines, int stretches)
    {
        var low = lines.Where(l => l.Count > 0).Min(l => l[0].X);
        var high = lines.Where(l => l.Count > 0).Max(l => l[^1].X);
        var width = high > low ? (high - low) / stretches : 1;
        var x = new double[stretches * 2];
        for (var i = 0; i < stretches; i++) (x[i * 2], x[(i * 2) + 1]) = (low + ((i + 0.25) * width), low + ((i + 0.75) * width));
        (x[0], x[^1]) = (low, high);
        return new(x, lines.Select((line, n) =>
        {
            var values = Empty(x.Length);
            for (var i = 0; i < line.Count;)
            {
                var stretch = Math.Min(stretches - 1, (int)((line[i].X - low) / width));
                int least = -1, most = -1;
                for (; i < line.Count && Math.Min(stretches - 1, (int)((line[i].X - low) / width)) == stretch; i++)
                {
                    if (double.IsNaN(line[i].Value)) continue;
                    if (least < 0 || line[i].Value < line[least].Value) least = i;
                    if (most < 0 || line[i].Value > line[most].Value) most = i;
                }
                if (least < 0) continue;
                values[stretch * 2] = line[Math.Min(least, most)].Value;
                if (least != most) values[(stretch * 2) + 1] = line[Math.Max(least, most)].Value;
            }
            return Line(runs[n], values, line);
        }).ToList(), Exact: false);
    }

    static SeriesLine Line(string run, double[] values, List<Point> points) => new(run, values, points.Count, points.Count(p => double.IsNaN(p.Value)));

    static double[] Empty(int length)
    {
        var values = new double[length];
        Array.Fill(values, double.NaN);
        return values;
    }
}
