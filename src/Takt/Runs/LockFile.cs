using System.Text;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary><c>takt.lock</c>: which key and which bytes each stage has. No times, hosts, runs or secrets, so that equal runs give equal bytes.</summary>
static class LockFile
{
    public static void Write(TaktFolder folder, StageGraph graph, StageTable table, IReadOnlyList<StageRun> stages)
    {
        var text = new StringBuilder("# written by takt run; commit it\nversion: 1\nstages:\n");
        var runs = stages.ToDictionary(s => s.Stage);
        foreach (var stage in graph.Order.OrderBy(s => s.Name, StringComparer.Ordinal))
        {
            if (table.Find(Digest.Parse(runs[stage.Name].Key!)) is not { } result) continue;
            text.Append("  ").Append(stage.Name).Append(":\n    key: ").Append(result.Key).Append('\n');
            if (result.Outputs.Count == 0) continue;
            text.Append("    out:\n");
            foreach (var (path, digest) in result.Outputs.OrderBy(o => o.Key, StringComparer.Ordinal))
                text.Append("      - { path: ").Append(Quoted(path)).Append(", id: \"").Append(digest).Append("\" }\n");
        }
        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        if (File.Exists(folder.LockFile) && File.ReadAllBytes(folder.LockFile).AsSpan().SequenceEqual(bytes)) return;
        Files.WriteAtomically(folder.LockFile, bytes);
    }

    static string Quoted(string path) => '"' + path.Replace("\\", "\\\\").Replace("\"", "\\\"") + '"';
}
