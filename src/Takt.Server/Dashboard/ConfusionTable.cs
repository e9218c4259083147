using System.Globalization;
using System.Text.Json;
using Takt.Evaluation;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>What was taken for what: a table with the true classes down and the said ones across, each row shaded by its shares.</summary>
static class ConfusionTable
{
    /// <summary>More classes than this are no table that anybody reads; those of most rows are shown.</summary>
    const int MostClasses = 30;
    const long LargestFile = 4 << 20;

    /// <param name="of">What the counts are about.</param>
    public static Html Draw(Confusion confusion, string of)
    {
        var (counts, all) = (confusion.Counts, Enumerable.Range(0, confusion.Classes.Count));
        var shown = confusion.Classes.Count <= MostClasses ? all.ToList() : [.. all.OrderByDescending(k => counts[k].Sum()).Take(MostClasses).Order()];
        var binary = confusion.Classes is ["0", "1"];
        string Name(int k) => !binary ? confusion.Classes[k] : k == 1 ? "1 (yes)" : "0 (no)";
        return Html.Of($"""
            <div class="scroll" role="region" aria-label="Confusion matrix" tabindex="0"><table class="confusion"><caption>{of}; a row is a true class, shaded by how its rows were answered</caption>
            <thead><tr><th scope="col">True ↓ said →</th>{shown.Select(k => Html.Of($"<th scope=\"col\" class=\"n\" title=\"{Name(k)}\" dir=\"auto\">{Parts.Cut(Name(k), 24)}</th>"))}<th scope="col" class="n">rows</th></tr></thead>
            <tbody>{shown.Select(truth => Html.Of($"<tr><th scope=\"row\" title=\"{Name(truth)}\" dir=\"auto\">{Parts.Cut(Name(truth), 40)}</th>{shown.Select(said => Cell(truth, said))}<td class=\"n dim\">{counts[truth].Sum():N0}</td></tr>"))}</tbody></table></div>
            {(shown.Count < confusion.Classes.Count ? Html.Of($"<p class=\"count dim\">the {MostClasses} classes of most rows, of {confusion.Classes.Count}</p>") : Html.None)}
            """);

        Html Cell(int truth, int said)
        {
            var (count, rows) = (counts[truth][said], counts[truth].Sum());
            var share = rows == 0 ? 0 : (double)count / rows;
            var tone = count == 0 ? "dim" : $"{(truth == said ? "right" : "wrong")} s{Math.Clamp((int)Math.Ceiling(share * 5), 1, 5)}";
            return Html.Of($"<td class=\"n {tone}\" title=\"{share.ToString("P1", CultureInfo.InvariantCulture)} of {Name(truth)} {(truth == said ? "were told right" : $"were taken for {Name(said)}")}\">{count:N0}</td>");
        }
    }

    /// <summary>What an evaluation counted: of a stage by the metrics file that it wrote, else by its metrics.</summary>
    /// <returns>Null: it was no evaluation of classes.</returns>
    public static async Task<Confusion?> Of(TaktApp app, StageRun stage)
    {
        if (stage.Key is not { } key || app.Pipelines.Stages.Find(Digest.Parse(key)) is not { } result) return null;
        if (result.Metrics.TryGetValue("rows", out var rows) && Confusion.OfBinary(result.Metrics, rows) is { } binary) return binary;
        if (!result.Metrics.ContainsKey("balanced_accuracy")) return null;
        foreach (var (file, digest) in result.Outputs)
        {
            if (!file.EndsWith(".json", StringComparison.Ordinal)) continue;
            try
            {
                await using var content = await app.Blobs.Open(Digest.Parse(digest.Split('+')[0]));
                if (content.Length > LargestFile) continue;
                using var json = await JsonDocument.ParseAsync(content);
                if (Confusion.Of(json.RootElement) is { } found) return found;
            }
            catch (Exception e) when (e is JsonException or TaktException { Error: TaktError.NotFound })
            {
                // no metrics file, or no longer kept
            }
        }
        return null;
    }

    /// <summary>Of the evaluation in the pipeline's run that made a version, else by the version's own metrics.</summary>
    public static async Task<Confusion?> Of(TaktApp app, RunId? pipelineRun, IReadOnlyDictionary<string, double> metrics)
    {
        if (pipelineRun is { } run)
            foreach (var stage in app.Pipelines.Stages.Of(run))
                if (await Of(app, stage) is { } found) return found;
        return metrics.TryGetValue("rows", out var rows) ? Confusion.OfBinary(metrics, rows) : null;
    }
}
