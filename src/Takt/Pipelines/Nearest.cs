namespace Takt.Pipelines;

/// <summary>"Did you mean": the known word with the fewest edits, when it is near enough to be a slip.</summary>
public static class Nearest
{
    public static string? To(string word, IEnumerable<string> known) => known
        .Select(candidate => (candidate, distance: Distance(word, candidate)))
        .Where(c => c.distance <= Math.Max(1, Math.Min(word.Length, c.candidate.Length) / 2))
        .OrderBy(c => c.distance).ThenBy(c => c.candidate, StringComparer.Ordinal)
        .Select(c => c.candidate).FirstOrDefault();

    public static string Hint(string word, IEnumerable<string> known) => To(word, known) is { } near ? $"; did you mean '{near}'?" : "";

    /// <summary>Optimal string alignment: Levenshtein with swaps of neighbours (Damerau, CACM 1964), which is what fingers do.</summary>
    static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        return d[a.Length, b.Length];
    }
}
