namespace Takt.Evaluation;

/// <summary>
/// Makes pairs of two groups' yes-or-no outcomes that came in the same short time: a block of one outcome of the rarer group and as many of the other as the shares say. Within the
/// time their order is not known; it is drawn by chance, which leaves the distribution as it is.
/// </summary>
/// <remarks>What finds no partner waits for the next time, four blocks at most: more would be compared with another time. Not safe for concurrent use.</remarks>
public sealed class PairedOutcomes(Random random)
{
    const int MostBlocksKept = 4;
    const int LargestBlock = 32;

    long _left, _leftYes, _right, _rightYes;

    /// <summary>Adds what came and makes the pairs that can be made.</summary>
    /// <param name="share">The left group's part of both, above 0 and below 1.</param>
    /// <param name="into">Gets the differences: share of yes on the left, less that on the right.</param>
    public void Add(long left, long leftYes, long right, long rightYes, double share, PairedDifferences into)
    {
        (_left, _leftYes, _right, _rightYes) = (_left + left, _leftYes + Math.Min(leftYes, left), _right + right, _rightYes + Math.Min(rightYes, right));
        var ratio = (1 - share) / share;
        var (a, b) = ratio >= 1 ? (1, (int)Math.Min(Math.Round(ratio), LargestBlock)) : ((int)Math.Min(Math.Round(1 / ratio), LargestBlock), 1);
        while (_left >= a && _right >= b)
            into.Add(((double)Draw(ref _left, ref _leftYes, a) / a) - ((double)Draw(ref _right, ref _rightYes, b) / b), random.NextDouble());
        if (_left > a * MostBlocksKept) Draw(ref _left, ref _leftYes, _left - (a * MostBlocksKept));
        if (_right > b * MostBlocksKept) Draw(ref _right, ref _rightYes, _right - (b * MostBlocksKept));
    }

    /// <summary>Takes so many out by chance, without putting them back.</summary>
    /// <returns>How many of them are a yes.</returns>
    long Draw(ref long all, ref long yes, long count)
    {
        var drawn = 0L;
        for (var i = 0L; i < count; i++)
        {
            if (yes > 0 && random.NextInt64(all) < yes)
            {
                yes--;
                drawn++;
            }
            all--;
        }
        return drawn;
    }
}
