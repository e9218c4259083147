using System.Buffers;
using System.Security.Cryptography;

namespace Takt.Storage.FileSystem;

/// <summary>Blobs as read-only files <c>loose/ab/cd/SHA256</c> in a folder, objects as files beside them.</summary>
/// <remarks>A blob is written to this process's folder under <c>tmp/</c> and renamed: one that can be seen is whole.</remarks>
public sealed class FolderBlobStore : IBlobStore, IObjectStore, IDisposable
{
    readonly string _root;
    readonly string _loose;
    readonly StoreSession? _session;
    readonly TimeProvider _time = TimeProvider.System;

    static readonly TimeSpan PartialKept = TimeSpan.FromDays(7);

    /// <summary>Opens the store, makes it when it is not there, and removes what processes that died have left in flight.</summary>
    /// <exception cref="TaktException">Denied or Unavailable: the folder can't be written.</exception>
    public FolderBlobStore(string folder, TimeProvider? time = null)
    {
        _root = folder;
        _loose = Path.Combine(folder, "loose");
        _time = time ?? TimeProvider.System;
        try
        {
            Directory.CreateDirectory(_loose);
            _session = new StoreSession(Path.Combine(folder, "tmp"), _time);
        }
        catch (Exception e) when (StorageFaults.Of(e, folder) is { } known)
        {
            throw known;
        }
    }

    FolderBlobStore(string folder) => (_root, _loose) = (folder, Path.Combine(folder, "loose"));

    /// <summary>A store that is only read, and may lie where nothing can be written; what writes throws Denied.</summary>
    /// <exception cref="TaktException">NotFound: there is no such folder.</exception>
    public static FolderBlobStore ForReading(string folder) =>
        Directory.Exists(folder) ? new(folder) : throw TaktException.NotFound($"no folder '{folder}'");

    /// <summary>A folder for work in flight on the store's file system; it is gone after the process, however that ends.</summary>
    public string Scratch => _session?.Folder ?? throw new TaktException(TaktError.Denied, $"'{_root}' was opened for reading only");

    public string Partial
    {
        get
        {
            var folder = Path.Combine(_root, "partial");
            Directory.CreateDirectory(folder);
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
                if (_time.GetUtcNow() - file.LastWriteTimeUtc > PartialKept) file.Delete();
            return folder;
        }
    }

    public async Task<Blob> Put(Stream content, CancellationToken cancel = default)
    {
        var tmp = Path.Combine(Scratch, Guid.NewGuid().ToString("N"));
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            long length = 0;
            await using (var file = new FileStream(tmp, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0, useAsync: false))
            {
                for (int read; (read = await content.ReadAsync(buffer, cancel)) > 0; length += read)
                {
                    hash.AppendData(buffer, 0, read);
                    file.Write(buffer, 0, read);
                }
                file.Flush(flushToDisk: true);
            }
            var blob = new Blob(Digest.FromHash(hash.GetHashAndReset()), length);
            var path = PathOf(blob.Id);
            if (File.Exists(path))
            {
                Files.SyncFolder(Path.GetDirectoryName(path)!); // whoever put it there may not have come so far
                return blob with { WasThere = true };
            }
            Place(tmp, path);
            return blob;
        }
        catch (Exception e) when (StorageFaults.Of(e, _loose) is { } known)
        {
            throw known;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            File.Delete(tmp);
        }
    }

    public async Task<Stream> Open(Digest id, CancellationToken cancel = default) =>
        new FileStream(await LocalFile(id, cancel), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16, useAsync: false);

    public Task<long?> Length(Digest id, CancellationToken cancel = default)
    {
        var file = new FileInfo(PathOf(id));
        return Task.FromResult(file.Exists ? file.Length : (long?)null);
    }

    public Task Delete(Digest id, CancellationToken cancel = default)
    {
        if (File.Exists(PathOf(id))) File.Delete(PathOf(id));
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<Blob> List([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        await Task.CompletedTask;
        if (!Directory.Exists(_loose)) yield break;
        foreach (var path in Directory.EnumerateFiles(_loose, "*", SearchOption.AllDirectories))
        {
            cancel.ThrowIfCancellationRequested();
            if (Digest.TryParse(Path.GetFileName(path), out var id)) yield return new Blob(id, new FileInfo(path).Length);
        }
    }

    public Task<string> LocalFile(Digest id, CancellationToken cancel = default)
    {
        var path = PathOf(id);
        return File.Exists(path) ? Task.FromResult(path) : throw TaktException.NotFound($"the store has no blob {id}");
    }

    public Task Publish(string name, string file, CancellationToken cancel = default)
    {
        var path = Path.Combine(_root, name);
        try
        {
            if (File.Exists(path)) Files.SyncFolder(Path.GetDirectoryName(path)!); // as in Put
            else
            {
                Files.Sync(file);
                Place(file, path);
            }
            return Task.CompletedTask;
        }
        catch (Exception e) when (StorageFaults.Of(e, path) is { } known)
        {
            throw known;
        }
    }

    public async Task<bool> Create(string name, ReadOnlyMemory<byte> content, CancellationToken cancel = default)
    {
        var path = Path.Combine(_root, name);
        var tmp = Path.Combine(Scratch, Guid.NewGuid().ToString("N"));
        try
        {
            await File.WriteAllBytesAsync(tmp, content, cancel);
            Files.Sync(tmp);
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(tmp, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            Files.CreateFolder(Path.GetDirectoryName(path)!);
            try
            {
                File.Move(tmp, path, overwrite: false); // link and unlink: one of several succeeds
            }
            catch (IOException) when (File.Exists(path))
            {
                return false;
            }
            Files.SyncFolder(Path.GetDirectoryName(path)!);
            return true;
        }
        catch (Exception e) when (StorageFaults.Of(e, path) is { } known)
        {
            throw known;
        }
        finally
        {
            File.Delete(tmp);
        }
    }

    public async Task Read(string name, long from, Memory<byte> content, CancellationToken cancel = default)
    {
        var path = Path.Combine(_root, name);
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            while (content.Length > 0)
            {
                var read = await RandomAccess.ReadAsync(file, content, from, cancel);
                if (read == 0) throw TaktException.Invalid($"'{path}' is cut short: it ends at byte {from:N0}");
                (content, from) = (content[read..], from + read);
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw TaktException.NotFound($"the store has no file '{path}'");
        }
        catch (UnauthorizedAccessException e)
        {
            throw new TaktException(TaktError.Denied, $"'{path}' can't be read; check who owns it and its permissions", e);
        }
    }

    Task<string> IObjectStore.LocalFile(string name, CancellationToken cancel)
    {
        var path = Path.Combine(_root, name);
        return File.Exists(path) ? Task.FromResult(path) : throw TaktException.NotFound($"the store has no file '{path}'");
    }

    public Task Remove(string name, CancellationToken cancel = default)
    {
        var path = Path.Combine(_root, name);
        if (File.Exists(path)) File.Delete(path);
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<StoredObject> Objects(string prefix, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        await Task.CompletedTask;
        var folder = new DirectoryInfo(Path.Combine(_root, prefix));
        if (!folder.Exists) yield break;
        foreach (var file in folder.EnumerateFiles("*", SearchOption.AllDirectories))
        {
            cancel.ThrowIfCancellationRequested();
            yield return new StoredObject(Path.GetRelativePath(_root, file.FullName).Replace('\\', '/'), file.Length, file.LastWriteTimeUtc);
        }
    }

    public void Dispose() => _session?.Dispose();

    // a synced file gets its name, read-only, and both survive power loss
    static void Place(string tmp, string path)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(tmp, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        var folder = Path.GetDirectoryName(path)!;
        Files.CreateFolder(folder);
        File.Move(tmp, path, overwrite: true);
        Files.SyncFolder(folder);
    }

    string PathOf(Digest id) => Path.Combine(_loose, id.Hex[..2], id.Hex[2..4], id.Hex);
}
