using System.Globalization;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>The pieces that pages are made of.</summary>
static class Parts
{
    public static Html Section(string title, Html body, string? note = null) => SectionWith(title, body, note is null ? Html.None : Text(note));

    /// <param name="note">What stands beside the title; nothing when empty.</param>
    public static Html SectionWith(string title, Html body, Html note) =>
        Html.Of($"""<section class="card"><header><h2>{title}</h2>{(note.Value.Length == 0 ? Html.None : Html.Of($"<p class=\"note\">{note}</p>"))}</header>{body}</section>""");

    /// <summary>A table, or what would fill it.</summary>
    /// <param name="numbers">Columns of numbers, which stand to the right.</param>
    /// <param name="dropEmpty">Leaves out a column in which no row has anything.</param>
    public static Html Table(IReadOnlyList<string> heads, IEnumerable<IReadOnlyList<Html>> rows, string whenEmpty, string command, string label, IReadOnlyList<int>? numbers = null, bool dropEmpty = false)
    {
        var right = new Html(" class=\"n\"");
        Html Style(int column) => numbers is not null && numbers.Contains(column) ? right : Html.None;
        var list = rows.ToList();
        if (list.Count == 0) return Empty(whenEmpty, command);
        if (dropEmpty && Enumerable.Range(0, heads.Count).Where(i => list.Any(row => row[i].Value.AsSpan().Trim().Length > 0)).ToList() is var kept && kept.Count < heads.Count)
        {
            numbers = numbers is null ? null : Enumerable.Range(0, kept.Count).Where(i => numbers.Contains(kept[i])).ToList();
            heads = kept.ConvertAll(i => heads[i]);
            list = list.ConvertAll(row => (IReadOnlyList<Html>)kept.ConvertAll(i => row[i]));
        }
        return Html.Of($"""
            <div class="scroll" role="region" aria-label="{label}" tabindex="0"><table><thead><tr>{heads.Select((h, i) => Html.Of($"<th scope=\"col\"{Style(i)}>{h}</th>"))}</tr></thead>
            <tbody>{list.Select(row => Html.Of($"<tr>{row.Select((cell, i) => Html.Of($"<td{Style(i)}>{cell}</td>"))}</tr>"))}</tbody></table></div>
            """);
    }

    /// <summary>What a place is for, and what fills it.</summary>
    /// <param name="commands">One a line; each can be copied.</param>
    public static Html Empty(string text, string commands) => Html.Of($"""<div class="empty"><p>{text}</p>{commands.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Command)}</div>""");

    public static Html Command(string command) => Html.Of($"""<p class="command"><code>{command}</code> <button type="button" class="small" data-copy="{command}" aria-label="Copy {command}">Copy</button></p>""");

    public static Html Facts(params (string Name, Html Value)[] facts) =>
        Html.Of($"""<dl>{facts.Where(f => f.Value.Value.Length > 0).Select(f => Html.Of($"<div><dt>{f.Name}</dt><dd>{f.Value}</dd></div>"))}</dl>""");

    public static Html Text(string? text) => Html.Of($"{text}");

    public static Html Link(string path, string text) => Html.Of($"""<a href="{path}">{text}</a>""");

    public static Html Badge(string text, string tone) => text.Length > 20 ? Html.Of($"""<span class="badge {tone}" title="{text}">{text}</span>""") : Html.Of($"""<span class="badge {tone}">{text}</span>""");

    /// <summary>Good, bad, busy or quiet, by what the state is called.</summary>
    public static Html State(string state) => Badge(Words(state), state switch
    {
        "FINISHED" or "Ran" or "Cached" or "Restored" or "Succeeded" or "Passed" or "ok" or "done" or "succeeded" => "good",
        "FAILED" or "Failed" or "RolledBack" or "alert" or "failed" => "bad",
        "NotPassed" or "gate not passed" or "Aborted" or "KILLED" or "Interrupted" or "Paused" or "Waiting" or "waiting for labels" or "no baseline yet" => "warn",
        "RUNNING" or "Running" or "Rolling" or "Pending" or "Promoting" or "running" or "pending" => "busy",
        _ => "quiet",
    });

    /// <summary>How a run ended; one that a gate stopped is told from one that broke.</summary>
    /// <param name="refused">The gate and its rule; null when none stopped it.</param>
    public static Html Outcome(string status, string? refused) => refused is null || status != nameof(RunStatus.FAILED) ? State(status)
        : Html.Of($"""<span class="badge warn" title="refused by {refused}">refused</span> <span class="dim why" title="refused by {refused}">{refused[(refused.IndexOf(": ", StringComparison.Ordinal) is var at and > 0 ? at + 2 : 0)..]}</span>""");

    public static Html Outcome(RunDetail run) => Outcome(run.Status.ToString(), run.Tags.GetValueOrDefault(PipelineRunner.RefusedTag));

    /// <summary>How long ago, and exactly when.</summary>
    public static Html Time(DateTimeOffset? time, DateTimeOffset now)
    {
        if (time is not { } t) return Html.None;
        var ago = now - t;
        var text = ago.TotalSeconds < 60 ? "just now" : ago.TotalMinutes < 60 ? $"{(int)ago.TotalMinutes} min ago" : ago.TotalHours < 48 ? $"{(int)ago.TotalHours} h ago" : $"{(int)ago.TotalDays} d ago";
        if (ago < TimeSpan.FromSeconds(-60)) text = "in the future";
        return Html.Of($"""<time datetime="{t.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)}" title="{t.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture)}">{text}</time>""");
    }

    public static Html Day(DateTimeOffset time) => Text(time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));

    /// <summary>When a window begins, UTC: the day alone, when it begins with the day.</summary>
    public static Html Moment(DateTimeOffset time) => Html.Of($"<span class=\"once\">{time.UtcDateTime.ToString(time.UtcDateTime.TimeOfDay == TimeSpan.Zero ? "yyyy-MM-dd" : "yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}</span>");

    public static Html Id(string? id, string? link = null)
    {
        if (string.IsNullOrEmpty(id)) return Html.None;
        var hex = id.StartsWith("sha256:", StringComparison.Ordinal) ? id[7..] : id;
        var shown = Html.Of($"""<code class="once" title="{id}">{(hex.Length > 12 ? hex[..12] : hex)}</code>""");
        return link is null ? shown : Html.Of($"""<a href="{link}">{shown}</a>""");
    }

    /// <summary>Six significant digits: enough to tell two runs apart, short enough for a column.</summary>
    public static string Figure(double value) => double.IsNaN(value) ? "NaN" : value == 0 ? "0" : value == double.MaxValue ? "∞" : value == double.MinValue ? "-∞" // as which infinite values are kept
        : value == Math.Truncate(value) && Math.Abs(value) < 1e9 ? value.ToString("0", CultureInfo.InvariantCulture)
        : Math.Abs(value) is < 1e-4 or >= 1e9 ? value.ToString("0.####e+0", CultureInfo.InvariantCulture) : value.ToString("G6", CultureInfo.InvariantCulture);

    /// <summary>A duration in milliseconds, in two units at most.</summary>
    public static string Took(long ms) => ms < 0 ? "" : ms < 1000 ? $"{ms} ms" : ms < 60_000 ? string.Create(CultureInfo.InvariantCulture, $"{ms / 1000.0:0.0} s") : ms < 3_600_000 ? $"{ms / 60_000} min {ms / 1000 % 60} s"
        : ms < 172_800_000 ? $"{ms / 3_600_000} h {ms / 60_000 % 60} min" : $"{ms / 86_400_000} d {ms / 3_600_000 % 24} h";

    public static bool LooksNumeric(string text) => text.Length is > 0 and < 25 && (char.IsAsciiDigit(text[0]) || text[0] is '-' or '.') && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    /// <summary>A text of any length: what is long is folded, what is huge is cut.</summary>
    public static Html Long(string text) => text.Length <= 200 ? Html.Of($"<span dir=\"auto\" class=\"text\">{text}</span>")
        : Html.Of($"""<details class="long"><summary dir="auto">{text[..(char.IsHighSurrogate(text[119]) ? 119 : 120)]}… <span class="dim">{text.Length:N0} characters</span></summary><pre tabindex="0" dir="auto">{(text.Length > 100_000 ? text[..100_000] + "…" : text)}</pre></details>""");

    /// <summary>The first words of a text, the rest folded.</summary>
    public static Html Brief(string text, int most = 110) => text.Length <= most ? Text(text)
        : Html.Of($"<details class=\"long\"><summary dir=\"auto\">{text[..(text.LastIndexOf(' ', most) is var at and > 40 ? at : most)]} …</summary><p dir=\"auto\">{text}</p></details>");

    /// <summary>A chance: small ones by their order of magnitude.</summary>
    public static string Chance(double p) => p == 0 ? "< 1e-300" : p < 1e-3 ? p.ToString("0.0e-0", CultureInfo.InvariantCulture) : p.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>A name of any length in a line.</summary>
    public static string Cut(string text, int most = 60) => text.Length <= most ? text : text[..(char.IsHighSurrogate(text[most - 2]) ? most - 2 : most - 1)] + "…";

    public static Html Number(double? value, string format = "0.0000") => Text(value?.ToString(format, CultureInfo.InvariantCulture));

    public static Html Count(long? value) => Text(value?.ToString("N0", CultureInfo.InvariantCulture));

    public static Html Percent(double? value) => Text(value?.ToString("P1", CultureInfo.InvariantCulture));

    public static Html Size(long bytes) => Text(Bytes(bytes));

    public static string Bytes(long bytes) => bytes < 1 << 10 ? $"{bytes} B" : bytes < 1 << 20 ? $"{bytes / 1024.0:0.0} KiB" : bytes < 1 << 30 ? $"{bytes / 1048576.0:0.0} MiB" : $"{bytes / 1073741824.0:0.0} GiB";

    public static Html Seconds(DateTimeOffset? start, DateTimeOffset? end) => start is { } s && end is { } e ? Html.Of($"<span class=\"once\">{Took((long)(e - s).TotalMilliseconds)}</span>") : Html.None;

    /// <summary>A bar from 0 to <paramref name="most"/>, with the number beside it.</summary>
    public static Html Bar(double value, double most, string text, string tone = "") => Html.Of($"""
        <span class="bar {tone}"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="8" class="track"/><rect width="{Math.Clamp(value / most * 100, 0, 100):0.#}" height="8" class="fill"/></svg><span>{text}</span></span>
        """);

    /// <summary>A line through the values, oldest first; gaps where one is missing.</summary>
    public static Html Sparkline(IReadOnlyList<double?> values, string title)
    {
        var known = values.OfType<double>().ToList();
        if (known.Count < 2) return Html.None;
        var (low, high) = (known.Min(), known.Max());
        var span = high > low ? high - low : 1;
        var points = values.Select((v, i) => v is { } value ? string.Create(CultureInfo.InvariantCulture, $"{i * 300.0 / (values.Count - 1):0.#},{44 - ((value - low) / span * 40):0.#}") : null).OfType<string>();
        return Html.Of($"""
            <figure class="spark"><svg viewBox="0 0 300 48" preserveAspectRatio="none" role="img" aria-label="{title}, {low:0.###} to {high:0.###}"><title>{title}</title><polyline points="{string.Join(' ', points)}"/></svg>
            <figcaption>{title} <b>{known[^1]:0.###}</b> <span class="dim">{low:0.###} – {high:0.###}</span></figcaption></figure>
            """);
    }

    /// <summary>Counts of separate values as columns of one width.</summary>
    public static Html Columns(IReadOnlyList<long> counts, string title)
    {
        var most = Math.Max(1, counts.Count == 0 ? 0 : counts.Max());
        return Chart(counts.Select((c, i) => (Left: i * 100.0 / counts.Count, Width: 80.0 / counts.Count, Share: (double)c / most)), title);
    }

    /// <summary>
    /// How densely values lie between neighbouring cuts: the area is the count, so bins that hold equal counts (quantiles) are as tall as they are narrow.
    /// The open bins outside of the first and the last cut are left out: a single far value would press all others into one line.
    /// </summary>
    /// <param name="cuts">Rising strictly.</param>
    /// <param name="counts">One more than <paramref name="cuts"/>.</param>
    public static Html Density(IReadOnlyList<double> cuts, IReadOnlyList<long> counts, string title)
    {
        if (cuts.Count < 2) return Html.None;
        var span = cuts[^1] - cuts[0];
        var bins = Enumerable.Range(1, cuts.Count - 1).Select(i => (Left: cuts[i - 1], Width: cuts[i] - cuts[i - 1], Density: counts[i] / (cuts[i] - cuts[i - 1]))).ToList();
        var most = bins.Max(b => b.Density);
        return Chart(bins.Select(b => ((b.Left - cuts[0]) / span * 100, b.Width / span * 100, most > 0 ? b.Density / most : 0)), title);
    }

    static Html Chart(IEnumerable<(double Left, double Width, double Share)> columns, string title) => Html.Of($"""
        <svg class="histogram" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="{title}"><title>{title}</title>{columns.Select(c =>
            Html.Of($"<rect x=\"{c.Left:0.##}\" y=\"{40 - (c.Share * 40):0.##}\" width=\"{c.Width:0.##}\" height=\"{c.Share * 40:0.##}\"/>"))}</svg>
        """);

    public static string Words(string state) => state switch
    {
        "NotPassed" or "gate not passed" => "refused",
        "RolledBack" => "rolled back",
        "Waiting" => "waits for an approval",
        _ => state.ToLowerInvariant(),
    };
}
