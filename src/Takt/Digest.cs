using System.Security.Cryptography;

namespace Takt;

/// <summary>The SHA-256 of some whole content, written <c>sha256:</c> and 64 lower-case hex digits. Equal content, equal id.</summary>
public readonly record struct Digest : IComparable<Digest>
{
    const string Prefix = "sha256:";

    Digest(string hex) => Hex = hex;

    /// <summary>64 lower-case hex digits, without the prefix.</summary>
    public string Hex { get; }

    /// <exception cref="TaktException">Invalid: not a SHA-256 in hex, with or without <c>sha256:</c>.</exception>
    public static Digest Parse(string text) =>
        TryParse(text, out var id) ? id : throw TaktException.Invalid($"'{text}' is not a SHA-256 id (sha256: and 64 hex digits)");

    public static bool TryParse(string? text, out Digest id)
    {
        id = default;
        if (text is null) return false;
        var hex = text.StartsWith(Prefix, StringComparison.Ordinal) ? text[Prefix.Length..] : text;
        if (hex.Length != 64) return false;
        foreach (var c in hex)
            if (!char.IsAsciiHexDigitLower(c)) return false;
        id = new Digest(hex);
        return true;
    }

    public static Digest Of(ReadOnlySpan<byte> content) => FromHash(SHA256.HashData(content));

    /// <param name="hash">32 bytes.</param>
    public static Digest FromHash(ReadOnlySpan<byte> hash) => new(Convert.ToHexStringLower(hash));

    public int CompareTo(Digest other) => string.CompareOrdinal(Hex, other.Hex);

    public override string ToString() => Prefix + Hex;
}
