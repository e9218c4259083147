using System.Security.Cryptography;

namespace Takt.Data.Dvc;

/// <summary>MD5 as DVC takes it. Its ids are nothing that is relied on: content has its SHA-256 here.</summary>
static class DvcMd5
{
    /// <summary>Whether a file is what DVC calls so.</summary>
    /// <param name="legacy">DVC 2 took the MD5 of a text as if its lines ended with \n.</param>
    public static bool Is(string file, string md5, bool legacy) => Of(file, text: false) == md5 || (legacy && Of(file, text: true) == md5);

#pragma warning disable CA5351 // they are DVC's ids
    public static string Of(string file, bool text)
    {
        using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        if (!text) return Convert.ToHexStringLower(MD5.HashData(content));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        var (buffer, held) = (new byte[1 << 16], false);
        var plain = new byte[(1 << 16) + 1];
        for (int read; (read = content.Read(buffer)) > 0;)
        {
            var length = 0;
            foreach (var b in buffer.AsSpan(0, read))
            {
                if (held && b != (byte)'\n') plain[length++] = (byte)'\r';
                held = b == (byte)'\r';
                if (!held) plain[length++] = b;
                if (length >= plain.Length - 1)
                {
                    hash.AppendData(plain, 0, length);
                    length = 0;
                }
            }
            hash.AppendData(plain, 0, length);
        }
        if (held) hash.AppendData("\r"u8);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public static string Of(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(MD5.HashData(content));
#pragma warning restore CA5351

    public static bool IsId(string md5) => md5.Length >= 32 && !md5.AsSpan(0, 32).ContainsAnyExcept("0123456789abcdef") && md5[32..] is "" or ".dir";
}
