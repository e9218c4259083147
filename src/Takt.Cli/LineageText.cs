using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary>A lineage as a tree in the terminal: the thing that was asked for at the root; what has been told once is not told again.</summary>
static class LineageText
{
    const int LongestSummary = 100;

    /// <param name="up">Branches are what it came from; else what came of it.</param>
    public static void Tree(JsonObject graph, bool up = true)
    {
        var nodes = graph.List("nodes").ToDictionary(n => n.Text("id"));
        var (near, far) = up ? ("to", "from") : ("from", "to");
        var edges = graph.List("edges").ToLookup(e => e.Text(near), e => e.Text(far));
        var told = new HashSet<string>(StringComparer.Ordinal);
        Print(graph.Text("root"), "", "");
        if (graph["truncated"]?.GetValue<bool>() == true) Terminal.Note("there is more than this; ask for one of the nodes above", Terminal.Tone.Dim);

        void Print(string id, string first, string rest)
        {
            var again = !told.Add(id);
            var branches = edges[id].Distinct().OrderBy(b => Order(nodes[b])).ThenByDescending(b => nodes[b].Text("at")).ThenBy(b => b, StringComparer.Ordinal).ToList();
            Console.WriteLine(first + Line(nodes[id]) + (again && branches.Count > 0 ? "  (as above)" : ""));
            if (again) return;
            for (var i = 0; i < branches.Count; i++)
            {
                var last = i == branches.Count - 1;
                Print(branches[i], rest + (last ? "└─ " : "├─ "), rest + (last ? "   " : "│  "));
            }
        }
    }

    public static string Line(JsonObject node)
    {
        var facts = node["facts"] as JsonObject;
        var name = node.Text("kind") == "stage" ? $"{facts.Text("stage")}  {Short(facts.Text("key"))} {facts.Text("state").ToLowerInvariant()}" : Short(node.Text("name"));
        var summary = node.Text("summary");
        if (summary.Length > LongestSummary) summary = summary[..(LongestSummary - 1)] + "…";
        return $"{node.Text("kind")} {name}{(summary.Length > 0 ? "  " + summary : "")}{(node.Time("at") is { Length: > 0 } at ? "  " + at : "")}";
    }

    /// <summary>Sixty-four digits are for programs; twelve tell them apart.</summary>
    static string Short(string name) => name.IndexOf("sha256:", StringComparison.Ordinal) is var at and >= 0 && name.Length > at + 19 ? name[..(at + 19)] : name;

    static int Order(JsonObject node) => node.Text("kind") switch { "run" => 0, "code" => 1, "stage" => 2, "logged-model" => 3, "model" => 4, "data" => 5, _ => 6 };
}
