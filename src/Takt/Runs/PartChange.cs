namespace Takt.Runs;

/// <param name="Part">A part of a stage's key, such as <c>in:data/train.parquet</c>.</param>
/// <param name="Before">Null: it was not part of the key.</param>
/// <param name="Now">Null: it is no longer part of it.</param>
public sealed record PartChange(string Part, string? Before, string? Now)
{
    /// <summary>Longer values of a param are not told.</summary>
    const int LongestValue = 30;

    /// <summary>What has changed, in words: the files first, for most else follows from them.</summary>
    /// <param name="dataset">Of a stage that collects one.</param>
    public static IEnumerable<string> Words(IReadOnlyList<PartChange> changes, string? dataset)
    {
        var files = changes.Where(c => c.Part.StartsWith("in:", StringComparison.Ordinal)).ToList();
        foreach (var file in files) yield return file.Named + (file.Before is null ? " (new)" : file.Now is null ? " (gone)" : "");
        foreach (var change in changes.Except(files))
        {
            var words = (change.Kind, change.Named) switch
            {
                ("command", _) => "its command",
                ("with", _) => string.Join(", ", Arguments(change)),
                ("kind", _) => $"what it uses{Values(change.Before, change.Now)}",
                ("format", _) => "what keys are made of (another version of takt)",
                ("param", var name) => $"param {name}{Values(change.Before, change.Now)}",
                ("env", var name) => $"the environment's {name}",
                ("secret", var name) => $"the secret {name}",
                ("out", var path) => $"its output {path}{(change.Before is null ? " (new)" : " (no more)")}",
                ("fact", "tree") => files.Count > 0 ? "" : $"the files of the dataset {dataset}",
                ("fact", "asked") => "it is due to be asked again",
                ("fact", "champion") => "the champion that it compares with",
                ("fact", "model") => $"the model{Values(change.Before, change.Now)}",
                var (_, name) => name,
            };
            if (words.Length > 0) yield return words;
        }
    }

    static string Values(string? before, string? now) => before is null ? " (new)" : now is null ? " (no more)" : before.Length <= LongestValue && now.Length <= LongestValue ? $" ({before} before, {now} now)" : "";

    /// <summary>Those of <c>with:</c> that differ.</summary>
    static IEnumerable<string> Arguments(PartChange change)
    {
        var (before, now) = (Members(change.Before), Members(change.Now));
        foreach (var name in before.Keys.Union(now.Keys).Order(StringComparer.Ordinal))
            if (before.GetValueOrDefault(name) is var was && now.GetValueOrDefault(name) is var has && was != has) yield return $"its {name}{Values(was, has)}";
    }

    /// <summary>Of the canonical text of a mapping (<c>{name:"value",…,}</c>), the members and their texts.</summary>
    static Dictionary<string, string> Members(string? canonical)
    {
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        if (canonical is not ['{', ..]) return members;
        for (int start = 1, mark = -1, depth = 0, at = 1; at < canonical.Length; at++)
            switch (canonical[at])
            {
                case '"':
                    for (at++; at < canonical.Length && canonical[at] != '"'; at++)
                        if (canonical[at] == '\\') at++;
                    break;
                case '{' or '[': depth++; break;
                case '}' or ']': depth--; break;
                case ':' when depth == 0 && mark < 0: mark = at; break;
                case ',' when depth == 0 && mark > 0:
                    members[canonical[start..mark]] = canonical[(mark + 1)..at].Trim('"');
                    (start, mark) = (at + 1, -1);
                    break;
            }
        return members;
    }

    string Kind => Part.Split(':', 2)[0];

    string Named => Part.Split(':', 2)[^1];
}
