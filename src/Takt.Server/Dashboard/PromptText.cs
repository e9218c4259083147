using System.Text.Json;
using System.Text.RegularExpressions;
using Takt.Models;

namespace Takt.Server.Dashboard;

/// <summary>The text of a version of a prompt, what is filled into it, and what the version before had otherwise.</summary>
static partial class PromptText
{
    const string Tag = "mlflow.prompt.text";

    /// <summary>Searches leave prompts out unless they ask for them.</summary>
    public const string Clause = $" AND tag.`{ModelCatalog.PromptTag}` = 'true'";

    /// <summary>More lines than these are not compared.</summary>
    const int MostLines = 400;

    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static bool Is(RegisteredVersion? version) => Of(version) is not null;

    /// <summary>Null: it is no prompt. A chat is told as indented JSON, as it is kept as JSON.</summary>
    static string? Of(RegisteredVersion? version)
    {
        if (version?.Tags.LastOrDefault(t => t.Key == Tag).Value is not { } text || !version.Tags.Any(t => t.Key == ModelCatalog.PromptTag)) return null;
        if (text.Length == 0 || text[0] is not ('[' or '{') || text.StartsWith("{{", StringComparison.Ordinal)) return text;
        try
        {
            return JsonSerializer.Serialize(JsonElement.Parse(text), Indented);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    public static Html Brief(RegisteredVersion? version) => Of(version) is { } text ? Html.Of($"<span dir=\"auto\">{Parts.Cut(text.ReplaceLineEndings(" "), 90)}</span>") : Html.None;

    /// <summary>The section of a version's page; nothing when it is no prompt.</summary>
    public static Html Section(ModelCatalog catalog, RegisteredVersion version)
    {
        if (Of(version) is not { } text) return Html.None;
        var fields = Field().Matches(text).Select(m => m.Groups[1].Value).Distinct().ToList();
        var before = version.Version > 1 ? catalog.SearchVersions($"name = {ModelPages.Quoted(version.Name)}{Clause}", [], 500, null).Items.Where(v => v.Version < version.Version).MaxBy(v => v.Version) : null;
        return Parts.SectionWith("Prompt", Html.Of($"""
            <pre class="file wrapped" tabindex="0" dir="auto">{text}</pre>
            {(before is null || Of(before) is not { } old ? Html.None : old == text ? Html.Of($"<p class=\"count dim\">the same text as version {before.Version}</p>") : Html.Of($"<details><summary>What version {before.Version} had otherwise</summary>{Changes(old.ReplaceLineEndings("\n").Split('\n'), text.ReplaceLineEndings("\n").Split('\n'))}</details>"))}
            """), fields.Count == 0 ? Html.None : Html.Of($"filled in: {Html.Join(fields.Take(30).Select(f => Html.Of($"<code>{f}</code> ")))}"));
    }

    static Html Changes(string[] old, string[] now)
    {
        if (old.Length > MostLines || now.Length > MostLines) return Html.Of($"<p class=\"dim\">more than {MostLines} lines are not compared</p>");
        // lengths of the longest common subsequences of what follows
        var common = new int[old.Length + 1, now.Length + 1];
        for (var i = old.Length - 1; i >= 0; i--)
            for (var j = now.Length - 1; j >= 0; j--)
                common[i, j] = old[i] == now[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        var lines = new List<Html>();
        for (int i = 0, j = 0; i < old.Length || j < now.Length;)
        {
            if (i < old.Length && j < now.Length && old[i] == now[j]) (lines, i, j) = (Add(Html.Of($"  {old[i]}\n")), i + 1, j + 1);
            else if (j == now.Length || (i < old.Length && common[i + 1, j] >= common[i, j + 1])) (lines, i) = (Add(Html.Of($"<del>- {old[i]}</del>\n")), i + 1);
            else (lines, j) = (Add(Html.Of($"<ins>+ {now[j]}</ins>\n")), j + 1);
        }
        return Html.Of($"<pre class=\"changes\" tabindex=\"0\" dir=\"auto\">{lines}</pre>");

        List<Html> Add(Html line)
        {
            lines.Add(line);
            return lines;
        }
    }

    [GeneratedRegex(@"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")]
    private static partial Regex Field();
}
