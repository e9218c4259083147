using System.Security.Cryptography;
using System.Text;
using Takt.Storage;

namespace Takt.Models;

/// <summary>Keeps secrets in rows encrypted (AES-256-GCM), under a key that is not in the database.</summary>
/// <remarks>
/// The key is <c>TAKT__SECRETS_KEY</c> (32 bytes as base64), which several servers of one database share; else a file of the state folder, made when the
/// first secret comes. Bytes: version 1, nonce (12), tag (16), cipher text.
/// </remarks>
public sealed class SecretBox(string keyFile)
{
    public const string Variable = "TAKT__SECRETS_KEY";
    const int KeyLength = 32, NonceLength = 12, TagLength = 16;
    const byte Version = 1;

    readonly Lock _making = new();
    byte[]? _key;

    public byte[] Lock(string secret)
    {
        var plain = Encoding.UTF8.GetBytes(secret);
        var box = new byte[1 + NonceLength + TagLength + plain.Length];
        box[0] = Version;
        RandomNumberGenerator.Fill(box.AsSpan(1, NonceLength));
        using var aes = new AesGcm(Key(), TagLength);
        aes.Encrypt(box.AsSpan(1, NonceLength), plain, box.AsSpan(1 + NonceLength + TagLength), box.AsSpan(1 + NonceLength, TagLength));
        return box;
    }

    /// <exception cref="TaktException">Denied: it was locked under another key.</exception>
    public string Unlock(byte[] box)
    {
        try
        {
            if (box.Length < 1 + NonceLength + TagLength || box[0] != Version) throw new CryptographicException();
            var plain = new byte[box.Length - 1 - NonceLength - TagLength];
            using var aes = new AesGcm(Key(), TagLength);
            aes.Decrypt(box.AsSpan(1, NonceLength), box.AsSpan(1 + NonceLength + TagLength), box.AsSpan(1 + NonceLength, TagLength), plain);
            return Encoding.UTF8.GetString(plain);
        }
        catch (CryptographicException)
        {
            throw new TaktException(TaktError.Denied, $"a secret in the database was encrypted under another key; set {Variable} to that key, or set the secret again");
        }
    }

    byte[] Key()
    {
        if (_key is not null) return _key;
        lock (_making)
        {
            if (_key is not null) return _key;
            if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } text)
            {
                var key = new byte[KeyLength];
                return Convert.TryFromBase64String(text, key, out var length) && length == KeyLength ? _key = key
                    : throw TaktException.Invalid($"{Variable} must be 32 bytes as base64, such as `openssl rand -base64 32` prints");
            }
            if (!File.Exists(keyFile)) Make();
            var bytes = File.ReadAllBytes(keyFile);
            return bytes.Length == KeyLength ? _key = bytes : throw TaktException.Invalid($"{keyFile} is damaged: it must hold {KeyLength} bytes; bring it back from a backup");
        }
    }

    void Make()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(keyFile)!);
        var tmp = $"{keyFile}.{Guid.NewGuid():N}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var file = new FileStream(tmp, options)) file.Write(RandomNumberGenerator.GetBytes(KeyLength));
        Files.Publish(tmp, keyFile);
    }
}
