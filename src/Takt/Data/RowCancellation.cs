namespace Takt.Data;

/// <summary>Takes out of two lists what both have, each row as often as both have it, wherever it stands.</summary>
static class RowCancellation
{
    const int RowsInPart = 1 << 15;

    /// <summary>What is left of each, in its order.</summary>
    public static (List<RowText> A, List<RowText> B) Of(List<RowText> a, List<RowText> b, CancellationToken cancel)
    {
        if (a.Count == 0 || b.Count == 0) return (a, b);
        // parts by the highest bits of the hash: each fits a core's cache, and all cores have some
        var bits = Math.Clamp(int.Log2(Math.Max(a.Count, b.Count) / RowsInPart + 1), 0, 12);
        var (partsA, partsB) = (Parts(a, bits), Parts(b, bits));
        var (goneA, goneB, below) = (new bool[a.Count], new bool[b.Count], new int[a.Count]);
        Parallel.For(0, 1 << bits, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancel }, part =>
        {
            var mine = partsA.Order.AsSpan(partsA.Starts[part]..partsA.Starts[part + 1]);
            var other = partsB.Order.AsSpan(partsB.Starts[part]..partsB.Starts[part + 1]);
            if (mine.Length == 0 || other.Length == 0) return;
            var mask = int.Max(16, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)mine.Length * 2)) - 1;
            var (first, top) = (new int[mask + 1], new int[mask + 1]); // of each row of its own, and of all that are equal to it the next to be taken
            foreach (var i in mine)
            {
                var slot = Slot(first, mask, a[i]);
                if (first[slot] == 0) first[slot] = i + 1;
                else below[i] = top[slot];
                top[slot] = i + 1;
            }
            foreach (var j in other)
            {
                var slot = Slot(first, mask, b[j]);
                if (top[slot] is 0) continue;
                goneA[top[slot] - 1] = goneB[j] = true;
                top[slot] = below[top[slot] - 1];
            }
        });
        return (Left(a, goneA), Left(b, goneB));

        int Slot(int[] first, int mask, in RowText row)
        {
            var slot = (int)row.Hash & mask;
            while (first[slot] != 0 && !a[first[slot] - 1].Is(row)) slot = (slot + 1) & mask;
            return slot;
        }
    }

    static (int[] Order, int[] Starts) Parts(List<RowText> rows, int bits)
    {
        var starts = new int[(1 << bits) + 1];
        var order = new int[rows.Count];
        int Part(int row) => bits == 0 ? 0 : (int)(rows[row].Hash >> (64 - bits));
        for (var i = 0; i < rows.Count; i++) starts[Part(i) + 1]++;
        for (var i = 1; i < starts.Length; i++) starts[i] += starts[i - 1];
        var next = starts.AsSpan()[..^1].ToArray();
        for (var i = 0; i < rows.Count; i++) order[next[Part(i)]++] = i;
        return (order, starts);
    }

    static List<RowText> Left(List<RowText> rows, bool[] gone)
    {
        var left = new List<RowText>();
        for (var i = 0; i < rows.Count; i++)
            if (!gone[i]) left.Add(rows[i]);
        return left;
    }
}
