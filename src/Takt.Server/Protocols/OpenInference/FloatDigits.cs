using System.Numerics;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>The shortest decimal that is nearest to a float and to no other.</summary>
/// <remarks>Giulietti, "The Schubfach way to render doubles" (2021), in the form for 32 bits.</remarks>
static class FloatDigits
{
    const int LeastPower = -31, MostPower = 45;

    static readonly ulong[] Tens = [.. Enumerable.Range(LeastPower, MostPower - LeastPower + 1).Select(TenTo)];

    /// <param name="value">Finite and above 0.</param>
    /// <returns>Digits · 10^Power; there may be zeros at the end.</returns>
    public static (uint Digits, int Power) Shortest(float value)
    {
        const int Kept = 23, Bias = 150;
        var bits = BitConverter.SingleToUInt32Bits(value);
        var (fraction, exponent) = (bits & ((1u << Kept) - 1), (int)(bits >> Kept));
        var (c, q) = exponent == 0 ? (fraction, 1 - Bias) : (fraction | (1u << Kept), exponent - Bias);
        if (q is <= 0 and >= -Kept && (c & ((1u << -q) - 1)) == 0) return (c >> -q, 0); // a whole number
        var even = (c & 1) == 0;
        var closer = fraction == 0 && exponent > 1; // the float below is half as far
        var k = ((q * 1262611) - (closer ? 524031 : 0)) >> 22; // floor(log10(2^q)), of 3/4 of it
        var h = q + ((-k * 1741647) >> 19) + 1;
        var ten = Tens[-k - LeastPower];
        var lower = ToOdd(ten, ((4 * c) - (closer ? 1u : 2u)) << h) + (even ? 0u : 1u);
        var middle = ToOdd(ten, (4 * c) << h);
        var upper = ToOdd(ten, ((4 * c) + 2) << h) - (even ? 0u : 1u);
        var s = middle / 4;
        if (s >= 10)
        {
            var tenth = s / 10;
            var (under, over) = (lower <= 40 * tenth, (40 * tenth) + 40 <= upper);
            if (under != over) return (over ? tenth + 1 : tenth, k + 1);
        }
        var (down, up) = (lower <= 4 * s, (4 * s) + 4 <= upper);
        if (down != up) return (up ? s + 1 : s, k);
        var half = (4 * s) + 2;
        return (middle > half || (middle == half && (s & 1) != 0) ? s + 1 : s, k);
    }

    /// <summary>The upper bits of the product; its last bit is 1 where anything was cut off.</summary>
    static uint ToOdd(ulong ten, uint c)
    {
        var high = Math.BigMul(ten, (ulong)c, out var low);
        return (uint)high | ((uint)(low >> 32) > 1 ? 1u : 0u);
    }

    /// <summary>The upper 64 bits of 10^<paramref name="power"/>, rounded up.</summary>
    static ulong TenTo(int power)
    {
        var ten = BigInteger.Pow(10, Math.Abs(power));
        var bits = (int)ten.GetBitLength();
        if (power < 0) return (ulong)(((BigInteger.One << (63 + bits)) + ten - 1) / ten);
        return bits <= 64 ? (ulong)ten << (64 - bits) : (ulong)((ten + (BigInteger.One << (bits - 64)) - 1) >> (bits - 64));
    }
}
