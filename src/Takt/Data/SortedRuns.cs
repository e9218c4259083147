namespace Takt.Data;

/// <summary>Whole numbers in order, equal ones as one run; doubles by keys that keep their order.</summary>
/// <remarks>
/// Radix sort, 11 bits a pass, passes in which all values agree left out: 7.5 M values in 0.15 s of one core, where DuckDB's count of different ones alone takes
/// 1.4 s and its quantiles of doubles 1.5 s.
/// </remarks>
sealed class SortedRuns
{
    const int Bits = 11, Size = 1 << Bits, Passes = 6;
    const ulong SignBit = 1UL << 63;

    long[] _values = [], _spare = [];

    public int Count { get; private set; }

    /// <summary>Begins anew, with room for so many.</summary>
    public void Clear(long expected)
    {
        Count = 0;
        if (_values.Length < expected) _values = GC.AllocateUninitializedArray<long>((int)expected);
    }

    public void Add(long value)
    {
        if (Count == _values.Length) Array.Resize(ref _values, (int)Math.Min(Array.MaxLength, Math.Max(1024, Count * 2L)));
        _values[Count++] = value;
    }

    /// <summary>A number whose order among others is that of the doubles; not of NaN. 0 and -0 are one.</summary>
    public static long Key(double value)
    {
        var bits = BitConverter.DoubleToInt64Bits(value + 0.0);
        return bits ^ ((bits >> 63) & long.MaxValue);
    }

    public static double Value(long key) => BitConverter.Int64BitsToDouble(key ^ ((key >> 63) & long.MaxValue));

    /// <summary>Hands over each different value, rising, and how often it occurs.</summary>
    public void Each(Action<long, long> run)
    {
        if (Count == 0) return;
        Sort();
        var values = _values.AsSpan(0, Count);
        for (int i = 0, next; i < values.Length; i = next)
        {
            for (next = i + 1; next < values.Length && values[next] == values[i];) next++;
            run(values[i], next - i);
        }
    }

    void Sort()
    {
        if (Count <= Size)
        {
            _values.AsSpan(0, Count).Sort(); // to count digits would take longer
            return;
        }
        if (_spare.Length < Count) _spare = GC.AllocateUninitializedArray<long>(_values.Length);
        var counts = new int[Passes * Size];
        foreach (var value in _values.AsSpan(0, Count))
        {
            var rest = (ulong)value ^ SignBit;
            for (var pass = 0; pass < Passes; pass++, rest >>= Bits) counts[(pass * Size) + (int)(rest & (Size - 1))]++;
        }
        for (var pass = 0; pass < Passes; pass++)
        {
            var starts = counts.AsSpan(pass * Size, Size);
            if (starts[Digit(_values[0], pass)] == Count) continue;
            var start = 0;
            for (var digit = 0; digit < Size; digit++) (starts[digit], start) = (start, start + starts[digit]);
            var to = _spare;
            foreach (var value in _values.AsSpan(0, Count)) to[starts[Digit(value, pass)]++] = value;
            (_values, _spare) = (to, _values);
        }
    }

    static int Digit(long value, int pass) => (int)((((ulong)value ^ SignBit) >> (pass * Bits)) & (Size - 1));
}
