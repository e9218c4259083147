using System.Globalization;
using System.Net;
using System.Text;
using Takt.Deployments;

namespace Takt.Server.Dashboard;

/// <summary>A lineage as columns from cause to effect, with a table of the same behind it.</summary>
static class LineageDrawing
{
    const int Height = 44;
    const int GapY = 14;

    /// <summary>More nodes than this are listed only.</summary>
    const int MostDrawn = 120;
    const int MostListed = 1000;

    /// <summary>The section of a page; nothing when there is no lineage to tell.</summary>
    public static async Task<Html> Section(TaktApp app, Workspace workspace, string reference, LineageDirection direction, CancellationToken cancel = default)
    {
        try
        {
            var graph = await app.Lineage.Of(reference, direction, workspace, cancel);
            if (graph.Nodes.Count < 2) return Html.None;
            return Parts.SectionWith("Lineage", Html.Of($"""
                {(graph.Nodes.Count > MostDrawn ? Html.Of($"<p class=\"count dim\">{graph.Nodes.Count:N0} things are too many for a drawing; the table has them</p>") : Draw(graph))}
                <details><summary>As a table</summary>{Parts.Table(["What", "Name", "Detail", "Came from"], graph.Nodes.Take(MostListed).Select(n => new[]
                {
                    Parts.Text(n.Kind), Url(n) is { } url ? Parts.Link(url, n.Name) : Parts.Text(n.Name), Parts.Text(n.Summary),
                    Html.Join(graph.Edges.Where(e => e.To == n.Id).Take(20).Select(e => Html.Of($"{graph.Nodes.FirstOrDefault(x => x.Id == e.From)?.Name} <span class=\"dim\">({e.Kind})</span> "))),
                }), "", "", "Lineage")}</details>
                """), Note(graph));
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid or TaktError.Conflict)
        {
            return Html.None;
        }
    }

    static Html Note(LineageGraph graph)
    {
        var (kind, name) = (graph.Root[..graph.Root.IndexOf(':')], graph.Root[(graph.Root.IndexOf(':') + 1)..]);
        if (kind == "data" && name.IndexOf("@sha256:", StringComparison.Ordinal) is var digest and > 0) name = name[..Math.Min(name.Length, digest + 20)];
        return Html.Of($"{(graph.Truncated ? "there is more than is shown; " : "")}in the terminal: <code>{kind switch { "model" => $"takt models show {Parts.Cut(name, 120)} --lineage", "data" => $"takt data uses {Parts.Cut(name, 120)}", _ => $"takt why {Parts.Cut(name, 120)}" }}</code>");
    }

    static Html Draw(LineageGraph graph)
    {
        // columns by rank, without those that are empty; within a column by the mean height of what it came from, so that few edges cross
        var level = graph.Nodes.ToDictionary(n => n.Id, n => n.Rank, StringComparer.Ordinal);
        // what came from nothing stands just before the first thing that came of it, so that no long edge runs behind other boxes
        foreach (var node in graph.Nodes)
            if (!graph.Edges.Any(e => e.To == node.Id) && graph.Edges.Where(e => e.From == node.Id && level.ContainsKey(e.To)).Select(e => level[e.To]).DefaultIfEmpty(-1).Min() is var first and > 0) level[node.Id] = first - 1;
        var ranks = level.Values.Distinct().Order().ToList();
        var gap = ranks.Count > 8 ? 24 : ranks.Count > 6 ? 28 : 44;
        var box = Math.Clamp((1268 - ((ranks.Count - 1) * gap)) / ranks.Count, 116, 176);
        var place = new Dictionary<string, (int X, int Y)>(StringComparer.Ordinal);
        var deepest = 0;
        for (var column = 0; column < ranks.Count; column++)
        {
            var nodes = graph.Nodes.Where(n => level[n.Id] == ranks[column]).OrderBy(n => graph.Edges.Where(e => e.To == n.Id && place.ContainsKey(e.From)).Select(e => place[e.From].Y).DefaultIfEmpty(0).Average()).ThenBy(n => n.Id, StringComparer.Ordinal).ToList();
            for (var i = 0; i < nodes.Count; i++) place[nodes[i].Id] = (column * (box + gap), i * (Height + GapY));
            deepest = Math.Max(deepest, nodes.Count);
        }
        var (width, height) = ((ranks.Count * (box + gap)) - gap + 4, (deepest * (Height + GapY)) + 4);
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll drawing\" role=\"region\" aria-label=\"Lineage\" tabindex=\"0\"><svg class=\"graph\" viewBox=\"-2 -2 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"group\" aria-label=\"Lineage from cause to effect; the table below says the same\">");
        foreach (var edge in graph.Edges)
        {
            if (!place.TryGetValue(edge.From, out var from) || !place.TryGetValue(edge.To, out var to)) continue;
            var (x1, y1, x2, y2) = (from.X + box, from.Y + (Height / 2), to.X, to.Y + (Height / 2));
            var path = SvgText.Edge(x1, y1, x2, y2, gap, Math.Max(from.Y, to.Y) + Height + (GapY / 2));
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"{path}\"><title>").Append(Encoded($"{edge.From} — {edge.Kind} → {edge.To}")).Append("</title></path>");
        }
        foreach (var node in graph.Nodes)
        {
            var url = Url(node);
            if (url is not null && node.Id != graph.Root) svg.Append("<a href=\"").Append(Encoded(url)).Append("\">");
            svg.Append(CultureInfo.InvariantCulture, $"<g class=\"{(node.Id == graph.Root ? "busy" : "")}\" transform=\"translate({place[node.Id].X},{place[node.Id].Y})\"><title>").Append(Encoded($"{node.Kind} {node.Name}{(node.Summary.Length > 0 ? ": " + node.Summary : "")}"))
                .Append("</title>").Append(SvgText.Box(box, Height, Short(node.Kind, node.Name), node.Kind)).Append("</g>");
            if (url is not null && node.Id != graph.Root) svg.Append("</a>");
        }
        return new Html(svg.Append("</svg></div>").ToString());
    }

    static string? Url(LineageNode node)
    {
        var name = node.Id[(node.Id.IndexOf(':') + 1)..];
        return node.Kind switch
        {
            "data" => $"/data/{Uri.EscapeDataString(name.Split('@')[0])}",
            "run" => $"/runs/{Uri.EscapeDataString(name)}",
            "model" when name.LastIndexOf('@') is var at and > 0 => $"/models/{Uri.EscapeDataString(name[..at])}/{Uri.EscapeDataString(name[(at + 1)..])}",
            "endpoint" => $"/deployments/{Uri.EscapeDataString(name)}",
            _ => null,
        };
    }

    /// <summary>The part of a name that tells it apart: of a digest and a run's id the first digits, of a source the file.</summary>
    static string Short(string kind, string name)
    {
        if (kind == "stage" && name.LastIndexOf('/') is var slash and >= 0) name = name[(slash + 1)..];
        if (kind == "source" && name.TrimEnd('/').LastIndexOf('/') is var last and >= 0 && name.Length > 18) name = "…/" + name.TrimEnd('/')[(last + 1)..];
        if (name.IndexOf("sha256:", StringComparison.Ordinal) is var at and >= 0 && name.Length >= at + 71) name = name[..at] + name[(at + 7)..(at + 15)];
        if (kind is "run" or "code" && name.Length >= 32 && name.All(char.IsAsciiHexDigit)) name = name[..12];
        return name;
    }

    static string Encoded(string text) => WebUtility.HtmlEncode(text);
}
