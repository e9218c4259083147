using System.Globalization;
using Takt.Data;

namespace Takt.Evaluation;

/// <summary>
/// Of a model that tells classes apart. Metrics as scikit-learn 1.x defines them (precision_recall_fscore_support with zero_division=0, balanced_accuracy_score, log_loss); macro F1 is the mean over
/// the classes that are true or said of some row. Micro F1 is the accuracy where each row has one class; it is there for who looks for it.
/// </summary>
public sealed class ClassScores : Scores
{
    readonly int[] _label;
    readonly int[] _said;
    readonly double[] _loss;

    ClassScores(IReadOnlyList<string> classes, int[] label, int[] said, double[] loss) => (Classes, _label, _said, _loss) = (classes, label, said, loss);

    /// <summary>All that are true or can be said; the model may not know some of them.</summary>
    public IReadOnlyList<string> Classes { get; }

    public override int Rows => _label.Length;

    public override IReadOnlyList<string> Names => Metric.Multiclass;

    /// <summary>What both the model and the truth may be: its classes, and those of the rows that it does not know.</summary>
    /// <param name="known">Of one model, or of two that are compared.</param>
    /// <param name="truth">The true classes, none missing; a number stands for the class that is written as it is.</param>
    public static IReadOnlyList<string> All(IEnumerable<string> known, Column truth)
    {
        var all = known.Distinct(StringComparer.Ordinal).ToList();
        var places = Places(all);
        for (var row = 0; row < truth.Length; row++)
            if (truth.TextAt(row) is { } text && Find(places, text) < 0)
            {
                places[text] = all.Count;
                all.Add(text);
            }
        return all;
    }

    /// <param name="classes">As <see cref="All"/> gives them.</param>
    /// <param name="probability">Of a class, a value a row; null: the model does not know the class.</param>
    /// <exception cref="TaktException">Invalid: a row without its true class, or with a probability that is no number.</exception>
    public static ClassScores Of(IReadOnlyList<string> classes, Column truth, Func<string, Column?> probability)
    {
        var (places, columns) = (Places(classes), classes.Select(probability).ToArray());
        var (label, said, loss) = (new int[truth.Length], new int[truth.Length], new double[truth.Length]);
        for (var row = 0; row < label.Length; row++)
        {
            label[row] = truth.TextAt(row) is { } text ? Find(places, text) : throw TaktException.Invalid($"row {row + 1} has no true class");
            var (most, at) = (double.NegativeInfinity, 0);
            for (var k = 0; k < columns.Length; k++)
            {
                if (columns[k] is not { } column) continue;
                var p = column.NumberAt(row);
                if (!double.IsFinite(p)) throw TaktException.Invalid($"row {row + 1} has the probability {p} of {classes[k]}; it must be a number");
                if (p > most) (most, at) = (p, k);
            }
            said[row] = at;
            loss[row] = -Math.Log(Math.Clamp(columns[label[row]]?.NumberAt(row) ?? 0, Clip, 1 - Clip));
        }
        return new(classes, label, said, loss);
    }

    public override Scores Take(IReadOnlyList<int> rows) => new ClassScores(Classes, [.. rows.Select(i => _label[i])], [.. rows.Select(i => _said[i])], [.. rows.Select(i => _loss[i])]);

    public override void Compute(int[]? weight, Span<double> metrics)
    {
        var (truths, saids, rights) = (new double[Classes.Count], new double[Classes.Count], new double[Classes.Count]);
        double rows = 0, loss = 0, right = 0, f1 = 0, recall = 0, most = 0;
        for (var i = 0; i < _label.Length; i++)
        {
            double w = weight is null ? 1 : weight[i];
            if (w == 0) continue;
            rows += w;
            loss += w * _loss[i];
            truths[_label[i]] += w;
            saids[_said[i]] += w;
            if (_label[i] == _said[i]) rights[_label[i]] += w;
        }
        int true_ = 0, seen = 0;
        for (var k = 0; k < truths.Length; k++)
        {
            right += rights[k];
            most = Math.Max(most, truths[k]);
            if (truths[k] > 0) (true_, recall) = (true_ + 1, recall + (rights[k] / truths[k]));
            if (truths[k] + saids[k] > 0) (seen, f1) = (seen + 1, f1 + (2 * rights[k] / (truths[k] + saids[k])));
        }
        metrics[0] = right / rows;
        metrics[1] = loss / rows;
        metrics[2] = f1 / seen;
        metrics[3] = right / rows;
        metrics[4] = recall / true_;
        metrics[5] = most / rows;
    }

    public Confusion Confusion()
    {
        var counts = Classes.Select(_ => new long[Classes.Count]).ToArray();
        for (var i = 0; i < _label.Length; i++) counts[_label[i]][_said[i]]++;
        return new(Classes, counts);
    }

    static Dictionary<string, int> Places(IReadOnlyList<string> classes) => classes.Select((c, i) => (c, i)).ToDictionary(c => c.c, c => c.i, StringComparer.Ordinal);

    /// <summary>A number may be written as 2 or as 2.0.</summary>
    static int Find(Dictionary<string, int> places, string text) => places.TryGetValue(text, out var at) ? at
        : double.TryParse(text, CultureInfo.InvariantCulture, out var number) && places.TryGetValue(number.ToString("R", CultureInfo.InvariantCulture), out at) ? at : -1;
}
