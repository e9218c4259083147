namespace Takt.Evaluation;

/// <summary>Of a model that gives a number a row: a probability, or what it predicts.</summary>
public sealed class NumberScores : Scores
{
    readonly bool _binary;
    readonly double _threshold;
    readonly double[] _score;
    readonly double[] _label;
    readonly double[] _loss;
    readonly int[] _order;

    /// <param name="score">Probabilities, or predicted values.</param>
    /// <param name="label">0 and 1, or the true values.</param>
    /// <param name="threshold">From which score on a row counts as positive.</param>
    /// <exception cref="TaktException">Invalid: unequal lengths, or a value that is not finite.</exception>
    public NumberScores(double[] score, double[] label, bool binary, double threshold = 0.5)
    {
        if (score.Length != label.Length) throw TaktException.Invalid($"{score.Length} scores for {label.Length} labels");
        for (var i = 0; i < score.Length; i++)
            if (!double.IsFinite(score[i]) || !double.IsFinite(label[i]))
                throw TaktException.Invalid($"row {i + 1} has score {score[i]} and label {label[i]}; both must be numbers");
        (_score, _label, _binary, _threshold) = (score, label, binary, threshold);
        _order = binary ? Enumerable.Range(0, score.Length).ToArray() : [];
        if (binary) Array.Sort((double[])score.Clone(), _order);
        _loss = binary ? Losses(score, label) : [];
    }

    public override int Rows => _score.Length;

    public override IReadOnlyList<string> Names => _binary ? Metric.Binary : Metric.Regression;

    public override Scores Take(IReadOnlyList<int> rows) =>
        new NumberScores(rows.Select(i => _score[i]).ToArray(), rows.Select(i => _label[i]).ToArray(), _binary, _threshold);

    public override void Compute(int[]? weight, Span<double> metrics)
    {
        if (_binary) Binary(weight, metrics);
        else Regression(weight, metrics);
    }

    void Binary(int[]? weight, Span<double> metrics)
    {
        double rows = 0, positives = 0, loss = 0, brier = 0, score = 0, hit = 0, truePositive = 0, predicted = 0;
        for (var i = 0; i < _score.Length; i++)
        {
            double w = weight is null ? 1 : weight[i];
            if (w == 0) continue;
            var (s, y) = (_score[i], _label[i]);
            rows += w;
            positives += w * y;
            loss += w * _loss[i];
            brier += w * (s - y) * (s - y);
            score += w * s;
            var positive = s >= _threshold;
            if (positive) predicted += w;
            if (positive == y > 0.5) hit += w;
            if (positive && y > 0.5) truePositive += w;
        }
        metrics[0] = Auc(weight, positives, rows - positives);
        metrics[1] = loss / rows;
        metrics[2] = brier / rows;
        metrics[3] = hit / rows;
        metrics[4] = predicted > 0 ? truePositive / predicted : double.NaN;
        metrics[5] = positives > 0 ? truePositive / positives : double.NaN;
        metrics[6] = predicted + positives > 0 ? 2 * truePositive / (predicted + positives) : double.NaN;
        metrics[7] = positives / rows;
        metrics[8] = score / rows;
        metrics[9] = Math.Abs((score - positives) / rows);
    }

    /// <summary>The Mann–Whitney form: the share of (positive, negative) pairs in the right order, ties counting half. Undefined with one class.</summary>
    double Auc(int[]? weight, double positives, double negatives)
    {
        if (positives == 0 || negatives == 0) return double.NaN;
        double below = 0, pairs = 0;
        for (var at = 0; at < _order.Length;)
        {
            var tied = _score[_order[at]];
            double up = 0, down = 0;
            for (; at < _order.Length && _score[_order[at]] == tied; at++)
            {
                var row = _order[at];
                double w = weight is null ? 1 : weight[row];
                if (_label[row] > 0.5) up += w;
                else down += w;
            }
            pairs += up * (below + (down / 2));
            below += down;
        }
        return pairs / (positives * negatives);
    }

    void Regression(int[]? weight, Span<double> metrics)
    {
        double rows = 0, square = 0, absolute = 0, sum = 0, spread = 0, score = 0;
        for (var i = 0; i < _score.Length; i++)
        {
            double w = weight is null ? 1 : weight[i];
            var error = _score[i] - _label[i];
            rows += w;
            square += w * error * error;
            absolute += w * Math.Abs(error);
            sum += w * _label[i];
            score += w * _score[i];
        }
        var mean = sum / rows;
        for (var i = 0; i < _score.Length; i++) spread += (weight is null ? 1 : weight[i]) * (_label[i] - mean) * (_label[i] - mean);
        metrics[0] = Math.Sqrt(square / rows);
        metrics[1] = absolute / rows;
        metrics[2] = spread > 0 ? 1 - (square / spread) : double.NaN;
        metrics[3] = score / rows;
    }

    static double[] Losses(double[] score, double[] label)
    {
        var loss = new double[score.Length];
        for (var i = 0; i < loss.Length; i++)
        {
            var p = Math.Clamp(score[i], Clip, 1 - Clip);
            loss[i] = label[i] > 0.5 ? -Math.Log(p) : -Math.Log(1 - p);
        }
        return loss;
    }
}
