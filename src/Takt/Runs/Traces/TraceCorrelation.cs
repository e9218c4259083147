namespace Takt.Runs.Traces;

/// <summary>
/// How far two properties of traces go together: normalised pointwise mutual information (Bouma 2009), from −1 (never together) by 0 (independent) to 1
/// (always together); NaN when one never occurs.
/// </summary>
/// <param name="Both">Traces with both.</param>
public sealed record TraceCorrelation(long First, long Second, long Both, long All)
{
    /// <summary>Added to each cell of the table, so that few traces do not give ±1 (Jeffreys' prior).</summary>
    const double Prior = 0.5;

    public double Npmi => !Defined ? double.NaN : Both == 0 ? -1 : Of(0);

    public double Smoothed => Defined ? Of(Prior) : double.NaN;

    bool Defined => All > 0 && First > 0 && Second > 0 && First - Both >= 0 && Second - Both >= 0 && All - First - Second + Both >= 0;

    double Of(double prior)
    {
        double both = Both + prior, first = First - Both + prior, second = Second - Both + prior, neither = All - First - Second + Both + prior;
        var (one, two, all) = (both + first, both + second, both + first + second + neither);
        if (both <= 0) return double.NaN;
        if (First == Both && Second == Both && All == Both) return 1; // nothing else ever occurs
        var pmi = Math.Log(both) + Math.Log(all) - Math.Log(one) - Math.Log(two);
        var norm = Math.Log(all) - Math.Log(both);
        return norm <= 0 ? 1 : Math.Clamp(pmi / norm, -1, 1);
    }
}
