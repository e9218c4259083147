using System.Globalization;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>One axis of a plot: a number, on a logarithmic scale when it spans more than three powers of ten, or a few words, each with a place.</summary>
/// <param name="At">Of each run, 0 to 1; null when it has no value.</param>
/// <param name="Ticks">What stands beside the axis, and where.</param>
/// <param name="Share">Of the runs that have a value.</param>
sealed record PlotAxis(RunColumn Column, double?[] At, IReadOnlyList<(double At, string Text)> Ticks, double Share)
{
    const int MostWords = 12;

    public static PlotAxis? Of(RunColumn column, int index, IReadOnlyList<RunGridRow> rows)
    {
        var cells = rows.Select(r => r.Cells[index]).ToList();
        var numbers = cells.ConvertAll(c => c.Number ?? (c.Text is { } text && Parts.LooksNumeric(text) ? double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture) : double.NaN));
        var texts = cells.Where(c => c.Text is not null && !Parts.LooksNumeric(c.Text)).ToList();
        if (texts.Count > 0)
        {
            var words = cells.Select(c => c.Text).OfType<string>().Distinct().Order(StringComparer.Ordinal).ToList();
            if (words.Count is < 2 or > MostWords) return null;
            double Place(string word) => words.IndexOf(word) / (double)(words.Count - 1);
            return new(column, cells.Select(c => c.Text is { } t ? Place(t) : (double?)null).ToArray(), words.ConvertAll(w => (Place(w), w.Length > 14 ? w[..13] + "…" : w)), cells.Count(c => c.Text is not null) / (double)cells.Count);
        }
        var known = numbers.Where(double.IsFinite).ToList();
        if (known.Count == 0) return null;
        var (low, high) = (known.Min(), known.Max());
        if (low == high) return null;
        var log = low > 0 && high / low > 1000;
        double Scale(double v) => log ? Math.Log10(v) : v;
        var span = Scale(high) - Scale(low);
        var ticks = Enumerable.Range(0, 5).Select(i => (i / 4.0, Parts.Figure(Rounded(log ? Math.Pow(10, Scale(low) + (span * i / 4)) : low + ((high - low) * i / 4))))).ToList();
        return new(column, numbers.Select(v => double.IsFinite(v) ? (Scale(v) - Scale(low)) / span : (double?)null).ToArray(), ticks, known.Count / (double)rows.Count);
    }

    static double Rounded(double v) => double.Parse(v.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
