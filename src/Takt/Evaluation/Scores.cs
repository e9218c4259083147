namespace Takt.Evaluation;

/// <summary>A model's answers beside the truth, ready to be weighed: every metric is computed in one pass for any weights of the rows.</summary>
/// <remarks>Immutable; safe for concurrent use.</remarks>
public abstract class Scores
{
    /// <summary>Probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn does for doubles.</summary>
    protected const double Clip = 2.220446049250313e-16;

    public abstract int Rows { get; }

    public abstract IReadOnlyList<string> Names { get; }

    /// <summary>The rows with these numbers.</summary>
    public abstract Scores Take(IReadOnlyList<int> rows);

    /// <summary>Every metric of <see cref="Names"/>, in that order; NaN where it is not defined.</summary>
    /// <param name="weight">How often each row counts; null: once.</param>
    public abstract void Compute(int[]? weight, Span<double> metrics);

    /// <summary>Every metric by name; those that are not defined are left out.</summary>
    public Dictionary<string, double> Defined()
    {
        var metrics = new double[Names.Count];
        Compute(null, metrics);
        return Names.Zip(metrics).Where(m => double.IsFinite(m.Second)).ToDictionary(m => m.First, m => m.Second);
    }
}
