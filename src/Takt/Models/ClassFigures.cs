using System.Globalization;
using System.Text.Json;
using Takt.Evaluation;

namespace Takt.Models;

/// <summary>How good a model is for each class, and what it takes for what: members <c>classes</c> and <c>confusion</c> of a metrics file (docs/statistics.md), and a table for the log.</summary>
static class ClassFigures
{
    /// <summary>More classes than this are no table that anybody reads.</summary>
    const int MostTold = 50;

    /// <param name="Precision">Null: no row was said to be of the class. So <paramref name="Recall"/> and <paramref name="F1"/> where there is none.</param>
    readonly record struct Figures(string Class, long Rows, long Said, double? Precision, double? Recall, double? F1);

    public static void Write(Utf8JsonWriter json, ClassScores scores)
    {
        var confusion = scores.Confusion();
        json.WriteStartObject("classes");
        foreach (var of in Of(confusion))
        {
            json.WriteStartObject(of.Class);
            json.WriteNumber("rows", of.Rows);
            json.WriteNumber("predicted", of.Said);
            foreach (var (name, value) in (ReadOnlySpan<(string, double?)>)[("precision", of.Precision), ("recall", of.Recall), ("f1", of.F1)])
                if (value is { } number) json.WriteNumber(name, number);
                else json.WriteNull(name);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        // lists: they are no metrics of the run
        confusion.Write(json);
    }

    public static void Write(TextWriter log, ClassScores scores)
    {
        var width = Math.Min(30, scores.Classes.Max(c => c.Length));
        log.WriteLine($"{"class".PadRight(width)}    rows  precision  recall      f1");
        foreach (var of in Of(scores.Confusion()).Take(MostTold))
            log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{of.Class.PadRight(width)}  {of.Rows,6}  {of.Precision,9:0.000}  {of.Recall,6:0.000}  {of.F1,6:0.000}"));
    }

    static IEnumerable<Figures> Of(Confusion confusion)
    {
        var (all, counts) = (Enumerable.Range(0, confusion.Classes.Count).ToList(), confusion.Counts);
        foreach (var k in all)
        {
            var (rows, said, right) = (counts[k].Sum(), all.Sum(o => counts[o][k]), counts[k][k]);
            static double? Share(double part, double of) => of > 0 ? part / of : null;
            yield return new(confusion.Classes[k], rows, said, Share(right, said), Share(right, rows), Share(2.0 * right, rows + said));
        }
    }
}
