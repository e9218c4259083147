namespace Takt.Data;

/// <summary>The bytes of one row, its line end included, somewhere in memory.</summary>
readonly unsafe record struct RowText(nint Start, int Length, ulong Hash)
{
    public ReadOnlySpan<byte> Bytes => new((void*)Start, Length);

    public bool Is(in RowText other) => Hash == other.Hash && Length == other.Length && Bytes.SequenceEqual(other.Bytes);
}
