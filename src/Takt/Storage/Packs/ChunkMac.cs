using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Takt.Storage.Packs;

/// <summary>
/// Tells a chunk again at a quarter of what its SHA-256 costs, and without the chunk that it is compared with: GMAC (NIST SP 800-38D) under a random key. Whoever does not
/// know the key can't make two chunks of 1 MiB that it takes for one but with a chance of 2^-112, and what may know it stays beside the work tree. Not safe for concurrent use.
/// </summary>
/// <remarks>One nonce for all: GMAC needs a fresh one where its tags are shown to somebody, which these never are.</remarks>
/// <param name="key">Of <see cref="KeySize"/> bytes.</param>
sealed class ChunkMac(byte[] key) : IDisposable
{
    /// <summary>In bytes.</summary>
    public const int KeySize = 16, Size = 16;

    static readonly byte[] s_nonce = new byte[12];

    readonly AesGcm _gcm = new(key, Size);

    public static bool IsSupported => AesGcm.IsSupported;

    public static byte[] NewKey() => RandomNumberGenerator.GetBytes(KeySize);

    public UInt128 Of(ReadOnlySpan<byte> chunk)
    {
        Span<byte> mac = stackalloc byte[Size];
        _gcm.Encrypt(s_nonce, default, default, mac, chunk);
        return BinaryPrimitives.ReadUInt128BigEndian(mac);
    }

    public void Dispose() => _gcm.Dispose();
}
