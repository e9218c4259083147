using System.Globalization;
using Takt.Deployments;

namespace Takt.Server.Dashboard;

/// <summary>The newest rollout of an endpoint: its steps, what the evidence says, and how that came about.</summary>
static class RolloutParts
{
    const int Width = 640, Height = 150, Left = 56, Bottom = 24;

    public static Html Under(TaktApp app, Deployment d, DateTimeOffset now)
    {
        var shadows = app.Router.Find(d.Endpoint)?.Shadows ?? [];
        var copies = shadows.Count == 0 ? Html.None : Parts.Section("Shadows", Parts.Table(["Model", "Copies", "Answered", "Failed", "Dropped", "p95", "Same answer", "Mean difference"], shadows.Select(s => (s, Stats: s.Slot.Stats.Now())).Select(s => new[]
        {
            Parts.Text(s.s.Slot.Name), Parts.Percent(s.s.Sample), Parts.Count(s.Stats.Requests), Parts.Count(s.Stats.Errors), Parts.Count(s.s.Dropped), s.Stats.Value("p95_ms") is { } ms ? Parts.Text($"{ms:0.00} ms") : Html.None,
            Parts.Percent(s.s.Compared > 0 ? (double)s.s.Agreed / s.s.Compared : null), Parts.Number(s.s.MeanDifference),
        }), "", "", "Shadows"), "they get copies of requests; nobody but the log sees their answers");
        if (d.Rollout is not { } rollout) return copies;
        var spec = app.Deployments.Revisions(d.Endpoint).FirstOrDefault(r => r.Number == rollout.Revision)?.Spec;
        var looks = app.Deployments.Looks(d.Endpoint, rollout.Number);
        if (spec is null || (!rollout.Active && looks.Count == 0)) return copies;
        var figures = app.Deployments.Figures(d.Endpoint, rollout.Number);
        var steps = Parts.Table(["Step", "Traffic", "State", "Requests", "Needed", "Lasts", "Began"], Enumerable.Range(0, spec.Steps).Select(step => new[]
        {
            Parts.Count(step + 1), spec.IsShadow(step) ? Parts.Bar(spec.Shadow!.Sample, 1, $"copies of {spec.Shadow.Sample:P0}", "busy") : Parts.Bar(spec.ShareAt(step), 1, $"{spec.ShareAt(step):P0}"),
            State(rollout, step), Parts.Count(figures.Where(f => f.Step == step).Sum(f => f.Figures.Challenger.Requests)), Parts.Count(spec.IsShadow(step) ? spec.Shadow!.Requests : spec.StepRequests),
            Parts.Text(Parts.Took((long)(spec.IsShadow(step) ? spec.Shadow!.Time : spec.StepTime).TotalMilliseconds)), rollout.Active && step == rollout.Step ? Parts.Time(rollout.StepStartedAt, now) : Html.None,
        }), "", "", "Steps");
        var newest = looks.Count > 0 ? looks[^1].Evidence : [];
        return Html.Of($"""
            {Parts.Section($"Rollout {rollout.Number}", Html.Of($"""
                {steps}
                {(newest.Count == 0 ? Html.None : Html.Of($"<div class=\"evidence\">{newest.Select(e => Html.Of($"<div><p>{Verdict(e)} {e.InWords()}.</p>{Chart(looks, e)}</div>"))}</div>"))}
                """), rollout.Evidence.Length > 0 ? rollout.Evidence : $"{spec.Strategy}, revision {rollout.Revision}")}
            {copies}
            """);
    }

    static Html State(Rollout rollout, int step) => rollout.StepStartedAt is null || step > rollout.Step ? Parts.Badge(rollout.Active ? "to come" : "not reached", "")
        : step < rollout.Step || rollout.State == RolloutState.Succeeded ? Parts.Badge("done", "good") : rollout.Active ? Parts.Badge("now", "busy") : Parts.State(rollout.State.ToString());

    static Html Verdict(Evidence e) => e.Verdict switch { EvidenceVerdict.Harm => Parts.Badge("harm", "bad"), EvidenceVerdict.NoHarm => Parts.Badge("no harm", "good"), _ => Parts.Badge("open", "") };

    /// <summary>The difference and its bounds over time, with the line of what is tolerated.</summary>
    static Html Chart(IReadOnlyList<RolloutLook> looks, Evidence last)
    {
        var points = looks.Select(l => (l.Time, E: l.Evidence.FirstOrDefault(e => e.Metric == last.Metric && e.Pairs > 0))).Where(p => p.E is not null).Select(p => (p.Time, E: p.E!)).ToList();
        if (points.Count < 2) return Html.None;
        // bounds are wide at first: the picture shows twice what the later half of the points needs
        var late = points.Skip(points.Count / 2).ToList();
        var high = Math.Clamp(Math.Max(last.Margin * 1.5, late.Max(p => p.E.Upper) * 1.2), 0, 1);
        var low = Math.Clamp(Math.Min(-last.Margin, late.Min(p => p.E.Lower) * 1.2), -1, 0);
        var (from, span) = (points[0].Time, Math.Max(1, (points[^1].Time - points[0].Time).TotalMilliseconds));
        string X(DateTimeOffset time) => (Left + ((time - from).TotalMilliseconds / span * (Width - Left - 8))).ToString("0.#", CultureInfo.InvariantCulture);
        string Y(double value) => (6 + ((high - Math.Clamp(value, low, high)) / (high - low) * (Height - Bottom - 6))).ToString("0.#", CultureInfo.InvariantCulture);
        string Label(double value) => last.Metric is "errors" or "latency" ? string.Create(CultureInfo.InvariantCulture, $"{value * 100:+0.#;-0.#;0} pt") : value.ToString("+0.###;-0.###;0", CultureInfo.InvariantCulture);
        var band = string.Join(' ', points.Select(p => $"{X(p.Time)},{Y(p.E.Upper)}").Concat(points.AsEnumerable().Reverse().Select(p => $"{X(p.Time)},{Y(p.E.Lower)}")));
        var line = string.Join(' ', points.Select(p => $"{X(p.Time)},{Y(p.E.Difference)}"));
        var title = string.Create(CultureInfo.InvariantCulture, $"{last.Metric}: difference to the champion over {points.Count} looks, now {Label(last.Difference)}, from {Label(last.Lower)} to {Label(last.Upper)}; tolerated {Label(last.Margin)}");
        return Html.Of($"""
            <svg class="band" viewBox="0 0 {Width} {Height}" role="img" aria-label="{title}"><title>{title}</title>
            <polygon points="{band}"/><line class="zero" x1="{Left}" x2="{Width - 8}" y1="{Y(0)}" y2="{Y(0)}"/><line class="margin" x1="{Left}" x2="{Width - 8}" y1="{Y(last.Margin)}" y2="{Y(last.Margin)}"/>
            <polyline points="{line}"/><text x="{Left - 6}" y="{Y(0)}" text-anchor="end" dy="4">0</text><text x="{Left - 6}" y="{Y(last.Margin)}" text-anchor="end" dy="4">{Label(last.Margin)}</text>
            <text x="{Left}" y="{Height - 6}">{points[0].Time.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture)}</text><text x="{Width - 8}" y="{Height - 6}" text-anchor="end">{points[^1].Time.UtcDateTime.ToString("HH:mm:ss 'UTC'", CultureInfo.InvariantCulture)}</text></svg>
            """);
    }
}
