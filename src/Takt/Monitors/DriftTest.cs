using System.Globalization;
using Takt.Data;

namespace Takt.Monitors;

/// <summary>A window's columns against the training profile.</summary>
public static class DriftTest
{
    /// <param name="columns">Name in the profile, and the window's values.</param>
    /// <returns>The column that moved most first.</returns>
    public static IReadOnlyList<ColumnDrift> Run(TableProfile profile, IEnumerable<(string Name, string Shown, Column Values)> columns)
    {
        var found = new List<ColumnDrift>();
        foreach (var (name, shown, values) in columns)
            if (profile.Find(name) is { } reference && values.Length > 0) found.Add(Compare(reference, shown, values));
        var adjusted = Distribution.Adjust(found.ConvertAll(f => f.P));
        return found.Select((f, i) => f with { P = adjusted[i] }).OrderByDescending(f => f.Psi).ToList();
    }

    static ColumnDrift Compare(ColumnProfile reference, string shown, Column values)
    {
        var categorical = reference.Type == ColumnType.Text || reference.TopIsAll;
        var (names, before, now) = categorical ? Categories(reference, values) : Bins(reference, values);
        var psi = Distribution.Psi(before, now);
        var p = categorical ? Distribution.ChiSquareP(before, now) : Distribution.KsP(Distribution.Ks(before, now), before.Sum(), now.Sum());
        return new ColumnDrift(shown, psi, categorical ? "chi-square" : "ks", p, Moved(names, before, now));
    }

    /// <summary>Each known value, all others, and missing.</summary>
    static (List<string> Names, long[] Before, long[] Now) Categories(ColumnProfile reference, Column values)
    {
        // a profile names numbers as SQL writes them ("2.0", "1e-07")
        var numbers = reference.Type is ColumnType.Integer or ColumnType.Number && values.Type != ColumnType.Text;
        string? Text(int row) => values.TextAt(row) is { } text ? numbers ? Number(values.NumberAt(row)) : text : null;
        var places = reference.Top.Select((top, i) => (Value: numbers ? Number(double.Parse(top.Value, CultureInfo.InvariantCulture)) : top.Value, i)).ToDictionary(t => t.Value, t => t.i, StringComparer.Ordinal);
        var names = reference.Top.Select(t => t.Value).Append("(other)").Append("(missing)").ToList();
        var (before, now) = (new long[names.Count], new long[names.Count]);
        for (var i = 0; i < reference.Top.Count; i++) before[i] = reference.Top[i].Count;
        before[^2] = reference.Count - reference.Top.Sum(t => t.Count);
        before[^1] = reference.Missing;
        for (var row = 0; row < values.Length; row++)
            if (Text(row) is not { } text) now[^1]++;
            else if (places.TryGetValue(text, out var at)) now[at]++;
            else now[^2]++;
        return (names, before, now);

        static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
    }

    static (List<string> Names, long[] Before, long[] Now) Bins(ColumnProfile reference, Column values)
    {
        var cuts = reference.Cuts;
        var names = Enumerable.Range(0, cuts.Count + 1).Select(i => i == 0 ? $"≤ {At(0)}" : i == cuts.Count ? $"> {At(cuts.Count - 1)}" : $"{At(i - 1)}–{At(i)}").Append("(missing)").ToList();
        var (before, now) = (new long[names.Count], new long[names.Count]);
        for (var i = 0; i < reference.BinCounts.Count; i++) before[i] = reference.BinCounts[i];
        before[^1] = reference.Missing;
        for (var row = 0; row < values.Length; row++)
        {
            var bin = reference.BinOf(values.NumberAt(row));
            now[bin < 0 ? ^1 : bin]++;
        }
        return (names, before, now);

        string At(int i) => cuts.Count == 0 ? "" : cuts[i].ToString("G4", CultureInfo.InvariantCulture);
    }

    static string Moved(List<string> names, long[] before, long[] now)
    {
        double n = Math.Max(1, before.Sum()), m = Math.Max(1, now.Sum());
        var most = Enumerable.Range(0, names.Count).MaxBy(i => Math.Abs((before[i] / n) - (now[i] / m)));
        return string.Create(CultureInfo.InvariantCulture, $"{names[most]}: {before[most] / n:P1} → {now[most] / m:P1}");
    }
}
