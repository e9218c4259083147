namespace Takt.Data;

/// <summary>The statistics of a column's numbers out of its different values in rising order: exact, and the same however the rows were ordered.</summary>
/// <remarks>The mean by Neumaier's compensated sum (ZAMM 54, 1974), the deviation by Welford's update (Technometrics 4, 1962).</remarks>
/// <param name="count">How many values there will be.</param>
sealed class NumberStatistics(long count)
{
    readonly List<double> _quantiles = [], _cuts = [];
    readonly List<long> _upTo = []; // values at or below each cut
    readonly List<(long Key, long Count)> _few = [];
    long _seen, _distinct;
    double _min, _last, _sum, _lost, _center, _squares;

    /// <param name="key">What <paramref name="value"/> is the double of.</param>
    public void Add(long key, double value, long times)
    {
        if (_distinct++ == 0) _min = value;
        else if (value != _last) End();
        _last = value;
        Sum(value * times);
        var from = value - _center;
        _seen += times;
        _center += from * times / _seen;
        _squares += from * (value - _center) * times;
        while (_quantiles.Count < TableProfile.Probabilities.Count && Rank(_quantiles.Count) <= _seen) _quantiles.Add(value);
        if (_distinct <= TableProfile.FewValues) _few.Add((key, times));
    }

    /// <summary>The different values by their keys, when they are few.</summary>
    public IReadOnlyList<(long Key, long Count)> Few => _distinct <= TableProfile.FewValues ? _few : [];

    public ColumnProfile In(ColumnProfile column)
    {
        column = column with { Count = _seen, Distinct = _distinct };
        if (_seen == 0) return column;
        End();
        var bins = new long[_cuts.Count + 1];
        for (var i = 0; i < bins.Length; i++) bins[i] = (i < _cuts.Count ? _upTo[i] : _seen) - (i == 0 ? 0 : _upTo[i - 1]);
        return column with
        {
            Min = _min,
            Max = _last,
            Mean = Finite((_sum + _lost) / _seen),
            Std = _seen < 2 ? null : Finite(Math.Sqrt(_squares / (_seen - 1))),
            Quantiles = _quantiles,
            Cuts = _cuts,
            BinCounts = bins,
        };
    }

    // whole numbers beyond 2^53 may be one double
    void End()
    {
        if (_quantiles.Count == 0 || _quantiles[^1] != _last) return;
        _cuts.Add(_last);
        _upTo.Add(_seen);
    }

    // the first value with at least that share at or below it; in whole hundredths, as a product of doubles may lie beside the number meant
    long Rank(int quantile) => Math.Max(1, (count * (long)Math.Round(TableProfile.Probabilities[quantile] * 100) + 99) / 100);

    void Sum(double value)
    {
        var sum = _sum + value;
        _lost += Math.Abs(_sum) >= Math.Abs(value) ? _sum - sum + value : value - sum + _sum;
        _sum = sum;
    }

    static double? Finite(double value) => double.IsFinite(value) ? value : null;
}
