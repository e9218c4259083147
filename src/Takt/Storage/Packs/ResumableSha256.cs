using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Takt.Storage.Packs;

/// <summary>
/// A SHA-256 that can go on where another one was: what it has come to after some bytes is 112 bytes, OpenSSL's <c>SHA256_CTX</c>. .NET's own hash does not
/// hand that out; where there is no libcrypto to ask, it does the work and there is no <see cref="State"/>. Not safe for concurrent use.
/// </summary>
sealed unsafe class ResumableSha256 : IDisposable
{
    /// <summary>In bytes.</summary>
    public const int StateSize = 112;

    static readonly Library? s_library = Library.Load();

    readonly byte[] _state = new byte[StateSize];
    readonly IncrementalHash? _hash;

    /// <param name="state">Of a hash that has seen what comes before; empty: from the beginning.</param>
    public ResumableSha256(ReadOnlySpan<byte> state = default)
    {
        if (s_library is null) _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        else if (state.Length == StateSize) state.CopyTo(_state);
        else s_library.Begin(_state);
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_hash is not null) _hash.AppendData(bytes);
        else s_library!.Append(_state, bytes);
    }

    /// <summary>What another one can go on from; null where that can't be had.</summary>
    public byte[]? State() => _hash is null ? (byte[])_state.Clone() : null;

    /// <summary>The hash of all; it is done with.</summary>
    public ContentId Finish()
    {
        Span<byte> hash = stackalloc byte[ContentId.Size];
        if (_hash is not null) _hash.GetHashAndReset(hash);
        else s_library!.Finish(_state, hash);
        return ContentId.Read(hash);
    }

    public void Dispose() => _hash?.Dispose();

    sealed class Library(nint begin, nint append, nint finish)
    {
        readonly delegate* unmanaged<byte*, int> _begin = (delegate* unmanaged<byte*, int>)begin;
        readonly delegate* unmanaged<byte*, byte*, nuint, int> _append = (delegate* unmanaged<byte*, byte*, nuint, int>)append;
        readonly delegate* unmanaged<byte*, byte*, int> _finish = (delegate* unmanaged<byte*, byte*, int>)finish;

        // the one that .NET itself uses; both versions have the functions and the same layout
        public static Library? Load()
        {
            if (!OperatingSystem.IsLinux() || !(NativeLibrary.TryLoad("libcrypto.so.3", out var crypto) || NativeLibrary.TryLoad("libcrypto.so.1.1", out crypto))) return null;
            if (!NativeLibrary.TryGetExport(crypto, "SHA256_Init", out var begin) || !NativeLibrary.TryGetExport(crypto, "SHA256_Update", out var append) || !NativeLibrary.TryGetExport(crypto, "SHA256_Final", out var finish)) return null;
            var library = new Library(begin, append, finish);
            return library.IsRight() ? library : null;
        }

        public void Begin(byte[] state)
        {
            fixed (byte* at = state) _ = _begin(at);
        }

        public void Append(byte[] state, ReadOnlySpan<byte> bytes)
        {
            fixed (byte* at = state, from = bytes) _ = _append(at, from, (nuint)bytes.Length);
        }

        public void Finish(byte[] state, Span<byte> hash)
        {
            fixed (byte* at = state, to = hash) _ = _finish(to, at);
        }

        // a library built without it, or with another layout, is found out here and not used
        bool IsRight()
        {
            Span<byte> sample = stackalloc byte[200], hash = stackalloc byte[ContentId.Size];
            for (var i = 0; i < sample.Length; i++) sample[i] = (byte)i;
            var state = new byte[StateSize + 64];
            Begin(state);
            Append(state, sample[..99]);
            if (state.AsSpan(StateSize).ContainsAnyExcept((byte)0)) return false;
            state = state[..StateSize];
            Append(state, sample[99..]);
            Finish(state, hash);
            return hash.SequenceEqual(SHA256.HashData(sample));
        }
    }
}
