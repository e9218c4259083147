using System.Globalization;
using Microsoft.AspNetCore.Http;
using Takt.Deployments;

namespace Takt.Server.Dashboard;

/// <summary>The newest rollout of an endpoint: its steps, what the evidence says, and how that came about.</summary>
static class RolloutParts
{
    const int Width = 400, Height = 150, Left = 62, Bottom = 22;

    public static Html Under(TaktApp app, Deployment d, DateTimeOffset now)
    {
        var shadows = app.Router.Find(d.Endpoint)?.Shadows ?? [];
        var copies = shadows.Count == 0 ? Html.None : Parts.Section("Shadows", Parts.Table(["Model", "Copies", "Answered", "Failed", "Dropped", "p95", "Same answer", "Mean difference"], shadows.Select(s => (s, Stats: s.Slot.Stats.Now())).Select(s => new[]
        {
            Parts.Text(s.s.Slot.Name), Parts.Percent(s.s.Sample), Parts.Count(s.Stats.Requests), Parts.Count(s.Stats.Errors), Parts.Count(s.s.Dropped), s.Stats.Value("p95_ms") is { } ms ? Parts.Text($"{ms:0.00} ms") : Html.None,
            Parts.Percent(s.s.Compared > 0 ? (double)s.s.Agreed / s.s.Compared : null), Parts.Number(s.s.MeanDifference),
        }), "", "", "Shadows", numbers: [1, 2, 3, 4, 5, 6, 7], dropEmpty: true), "they get copies of requests; nobody but the log sees their answers");
        if (d.Rollout is not { } rollout) return copies;
        var spec = app.Deployments.Revisions(d.Endpoint).FirstOrDefault(r => r.Number == rollout.Revision)?.Spec;
        var looks = app.Deployments.Looks(d.Endpoint, rollout.Number);
        if (spec is null || (!rollout.Active && looks.Count == 0)) return copies;
        var figures = app.Deployments.Figures(d.Endpoint, rollout.Number);
        var steps = Parts.Table(["Step", "Traffic", "State", "Requests", "Needed", "Lasts", "Began"], Enumerable.Range(0, spec.Steps).Select(step => new[]
        {
            Parts.Count(step + 1), spec.IsShadow(step) ? Parts.Bar(spec.Shadow!.Sample, 1, $"copies of {spec.Shadow.Sample:P0}", "busy") : Parts.Bar(spec.ShareAt(step), 1, $"{spec.ShareAt(step):P0}"),
            State(rollout, step), Asked(figures.Where(f => f.Step == step).Sum(f => f.Figures.Challenger.Requests), spec.IsShadow(step) ? spec.Shadow!.Requests : spec.StepRequests, step <= rollout.Step), Parts.Count(spec.IsShadow(step) ? spec.Shadow!.Requests : spec.StepRequests),
            (spec.IsShadow(step) ? spec.Shadow!.Time : spec.StepTime) is { Ticks: > 0 } time ? Parts.Text(Parts.Took((long)time.TotalMilliseconds)) : Html.None, rollout.Active && step == rollout.Step ? Parts.Time(rollout.StepStartedAt, now) : Html.None,
        }), "", "", "Steps", numbers: [3, 4, 5], dropEmpty: true);
        var newest = looks.Count > 0 ? looks[^1].Evidence : [];
        return Html.Of($"""
            {Parts.SectionWith($"Rollout {rollout.Number}", Html.Of($"""
                {(rollout.Evidence.Length == 0 ? Html.None : Html.Of($"<p class=\"outcome {(rollout.State == RolloutState.Succeeded ? "good" : rollout.State == RolloutState.RolledBack ? "bad" : "warn")}\">{rollout.Evidence}</p>"))}
                {(Api.DeploymentViews.Waiting(app, d, app.Fleet?.View()) is { } waiting ? Html.Of($"<p class=\"outcome\">{char.ToUpperInvariant(waiting[0]) + waiting[1..].Replace("`", "", StringComparison.Ordinal)}.</p>") : Html.None)}
                {steps}
                {(newest.Count == 0 ? Html.None : Html.Of($"<div class=\"evidence\">{newest.Select(e => One(looks, e))}</div><p class=\"count dim\">Each picture: the difference between the two revisions over the same time, the range that it lies in with the confidence told, and (dashed) what is tolerated. However often one looks, the chance of a false alarm stays below {newest[0].Alpha:P0} for each.</p>"))}
                """), Html.Of($"{Parts.State(rollout.State.ToString())} {spec.Strategy}, revision {rollout.Revision}"))}
            {copies}
            """);
    }

    /// <summary>What somebody can do to the endpoint now; each asks first.</summary>
    public static Html Buttons(Deployment d)
    {
        var url = $"/deployments/{Uri.EscapeDataString(d.Endpoint)}";
        Html Button(string verb, string title, string what, bool danger = false) => Forms.Dialog($"do-{verb}", title, $"{url}/{verb}", $"{title}?", Html.Of($"<p>{what}</p>"), title, danger);
        if (d.Rollout is { Active: true } rollout)
            return Html.Of($"""
                <div class="actions">{(rollout.State is RolloutState.Paused or RolloutState.Waiting ? Button("resume", "Resume", "The rollout goes on; what was seen before counts no more.") : Button("pause", "Pause", "The traffic stays as it is until somebody resumes."))}
                {Button("promote", "Promote", "All traffic goes to the new revision now, whatever the evidence says.")}
                {Button("abort", "Abort", "All traffic goes back to the revision in charge, and the rollout is over.", danger: true)}</div>
                """);
        return d.Live is { Number: > 1 } ? Html.Of($"""<div class="actions">{Button("rollback", "Roll back", "The revision before comes back, with all the traffic.", danger: true)}</div>""") : Html.None;
    }

    public static async Task<string> Do(TaktApp app, string endpoint, string verb, IFormCollection form)
    {
        _ = form;
        _ = verb switch
        {
            "rollback" => await app.Deployments.RollBack(endpoint),
            "pause" => await app.Deployments.Command(endpoint, RolloutState.Paused),
            "resume" => await app.Deployments.Command(endpoint, RolloutState.Rolling),
            "promote" => await app.Deployments.Command(endpoint, RolloutState.Promoting),
            "abort" => await app.Deployments.Command(endpoint, RolloutState.Aborted),
            _ => throw TaktException.NotFound($"nothing can be done to a deployment by the name of '{verb}'"),
        };
        return $"/deployments/{Uri.EscapeDataString(endpoint)}";
    }

    static Html Asked(long requests, long needed, bool begun) => !begun ? Html.None : needed > 0 ? Parts.Bar(requests, needed, $"{requests:N0}") : Parts.Count(requests);

    static Html State(Rollout rollout, int step) => rollout.StepStartedAt is null || step > rollout.Step ? Parts.Badge(rollout.Active ? "to come" : "not reached", "quiet")
        : step < rollout.Step || rollout.State == RolloutState.Succeeded ? Parts.Badge("done", "good") : rollout.Active ? Parts.Badge("now", "busy") : Parts.State(rollout.State.ToString());

    static Html Verdict(Evidence e) => e.Verdict switch { EvidenceVerdict.Harm => Parts.Badge("harm shown", "bad"), EvidenceVerdict.NoHarm => Parts.Badge("no harm shown", "good"), _ => Parts.Badge("open", "quiet") };

    static Html One(IReadOnlyList<RolloutLook> looks, Evidence e) => Html.Of($"""
        <section class="proof"><h3>{e.Metric switch { "errors" => "Failed requests", "latency" => "Slower than the champion's p95", "score" => "Mean output", _ => "Loss against labels" }} {Verdict(e)}</h3>
        {(e.Pairs == 0 ? Html.Of($"<p class=\"dim\">nothing to compare yet</p>") : Html.Of($"""
            {Parts.Facts(("Challenger", Share(e, e.Challenger)), ("Champion", Share(e, e.Champion)), ("Difference", Html.Of($"<b>{Label(e, e.Difference)}</b>")), ("Range", Parts.Text($"{Label(e, e.Lower).Replace(" pt", "")} … {Label(e, e.Upper)}")), ("Tolerated", Parts.Text(Label(e, e.Margin))), ("Pairs", Parts.Count(e.Pairs)))}
            {Chart(looks, e)}
            <div class="scales"><span>harm</span>{Scale(e.LogHarm, e.Alpha, "bad")}<span>no harm</span>{Scale(e.LogSafe, e.Alpha, "good")}</div>
            <details class="long"><summary>In words</summary><p>{e.InWords()}.</p></details>
            """))}</section>
        """);

    static Html Share(Evidence e, double? value) => value is not { } v ? Html.None : Parts.Text(e.Metric is "errors" or "latency" ? string.Create(CultureInfo.InvariantCulture, $"{v * 100:0.##} %") : v.ToString("0.####", CultureInfo.InvariantCulture));

    /// <summary>How far an e-value has come on its way to what is needed, by its logarithm.</summary>
    static Html Scale(double log, double alpha, string tone)
    {
        var needed = -Math.Log(alpha);
        return Parts.Bar(Math.Max(0, log), needed, $"e-value {(log > 20 ? "over 10^8" : Math.Exp(log).ToString(log > 2.3 ? "0" : "0.##", CultureInfo.InvariantCulture))} of {Math.Exp(needed):0}", tone);
    }

    static string Label(Evidence e, double value) => e.Metric is "errors" or "latency" ? string.Create(CultureInfo.InvariantCulture, $"{value * 100:+0.##;-0.##;0} pt") : value.ToString("+0.####;-0.####;0", CultureInfo.InvariantCulture);

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
        double At(double value) => 6 + ((high - Math.Clamp(value, low, high)) / (high - low) * (Height - Bottom - 6));
        string Y(double value) => At(value).ToString("0.#", CultureInfo.InvariantCulture);
        Html Tick(double value, string text) => Html.Of($"<text x=\"{Left - 6}\" y=\"{Y(value)}\" text-anchor=\"end\" dy=\"4\">{text}</text>");
        var band = string.Join(' ', points.Select(p => $"{X(p.Time)},{Y(p.E.Upper)}").Concat(points.AsEnumerable().Reverse().Select(p => $"{X(p.Time)},{Y(p.E.Lower)}")));
        var line = string.Join(' ', points.Select(p => $"{X(p.Time)},{Y(p.E.Difference)}"));
        var title = string.Create(CultureInfo.InvariantCulture, $"{last.Metric}: difference to the champion over {points.Count} looks, now {Label(last, last.Difference)}, from {Label(last, last.Lower)} to {Label(last, last.Upper)}; tolerated {Label(last, last.Margin)}");
        return Html.Of($"""
            <svg class="band" viewBox="0 0 {Width} {Height}" role="img" aria-label="{title}"><title>{title}</title>
            <polygon points="{band}"/><line class="zero" x1="{Left}" x2="{Width - 8}" y1="{Y(0)}" y2="{Y(0)}"/><line class="margin" x1="{Left}" x2="{Width - 8}" y1="{Y(last.Margin)}" y2="{Y(last.Margin)}"/>
            <polyline points="{line}"/>{(Math.Abs(At(0) - At(last.Margin)) < 13 ? Html.None : Tick(0, "0"))}{Tick(last.Margin, Label(last, last.Margin))}{(At(low) - At(0) < 16 ? Html.None : Tick(low, Label(last, low)))}
            <text x="{Left}" y="{Height - 6}">{points[0].Time.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture)}</text><text x="{Width - 8}" y="{Height - 6}" text-anchor="end">{points[^1].Time.UtcDateTime.ToString("HH:mm:ss 'UTC'", CultureInfo.InvariantCulture)}</text></svg>
            """);
    }
}
