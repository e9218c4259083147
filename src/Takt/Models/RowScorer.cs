using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Takt.Models;

/// <summary>
/// A model that turns rows of numbers into one number each: the short way past tables, which serving takes for tabular requests. Categories become their
/// codes straight from UTF-8. Safe for concurrent use.
/// </summary>
public abstract class RowScorer
{
    readonly Dictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>>[] _codes;

    readonly byte[][] _names;

    readonly byte[] _output;

    protected RowScorer(IReadOnlyList<Feature> features, Field output)
    {
        Features = features;
        Output = output;
        _output = Encoding.UTF8.GetBytes(output.Name);
        _names = features.Select(f => Encoding.UTF8.GetBytes(f.Name)).ToArray();
        _codes = new Dictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>>[features.Count];
        for (var f = 0; f < features.Count; f++)
        {
            if (features[f].Categories is not { } categories) continue;
            var codes = new Dictionary<byte[], int>(categories.Count, new Utf8());
            for (var code = 0; code < categories.Count; code++) codes.TryAdd(Encoding.UTF8.GetBytes(categories[code]), code);
            _codes[f] = codes.GetAlternateLookup<ReadOnlySpan<byte>>();
        }
    }

    public IReadOnlyList<Feature> Features { get; }

    public Field Output { get; }

    /// <summary>A feature's name in UTF-8.</summary>
    public ReadOnlySpan<byte> NameOf(int feature) => _names[feature];

    /// <summary>The output's name in UTF-8.</summary>
    public ReadOnlySpan<byte> NameOfOutput => _output;

    /// <summary>The number of a category; NaN for one that training has not seen.</summary>
    public double Code(int feature, ReadOnlySpan<byte> utf8) => _codes[feature].TryGetValue(utf8, out var code) ? code : double.NaN;

    /// <param name="matrix">Row after row, as many numbers a row as there are features; NaN is missing.</param>
    /// <param name="scores">Room for one number a row.</param>
    public abstract void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores);

    sealed class Utf8 : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = new HashCode();
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode([DisallowNull] byte[] obj) => GetHashCode((ReadOnlySpan<byte>)obj);
    }
}
