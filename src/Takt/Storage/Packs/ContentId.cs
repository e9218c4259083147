using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Takt.Storage.Packs;

/// <summary>A SHA-256 as four numbers, in the order of its bytes: a <see cref="Digest"/> for places that hold millions.</summary>
public readonly record struct ContentId(ulong A, ulong B, ulong C, ulong D) : IComparable<ContentId>
{
    /// <summary>In bytes.</summary>
    public const int Size = 32;

    /// <param name="bytes">At least 32.</param>
    public static ContentId Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]), BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));

    public static ContentId Of(ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[Size];
        SHA256.HashData(content, hash);
        return Read(hash);
    }

    public static ContentId From(Digest digest)
    {
        Span<byte> hash = stackalloc byte[Size];
        Convert.FromHexString(digest.Hex, hash, out _, out _);
        return Read(hash);
    }

    public Digest Digest
    {
        get
        {
            Span<byte> hash = stackalloc byte[Size];
            Write(hash);
            return Takt.Digest.FromHash(hash);
        }
    }

    /// <param name="bytes">At least 32.</param>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, A);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[24..], D);
    }

    public int CompareTo(ContentId other) =>
        A != other.A ? A.CompareTo(other.A) : B != other.B ? B.CompareTo(other.B) : C != other.C ? C.CompareTo(other.C) : D.CompareTo(other.D);

    public override int GetHashCode() => (int)A; // already as random as can be

    public override string ToString() => Digest.ToString();
}
