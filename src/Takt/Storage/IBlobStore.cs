namespace Takt.Storage;

/// <summary>Bytes by content. A blob never changes; putting the same content twice stores it once.</summary>
/// <remarks>Safe for concurrent use by many threads and by several processes on one store.</remarks>
public interface IBlobStore
{
    /// <summary>Stores all that <paramref name="content"/> still holds. On return it survives power loss.</summary>
    Task<Blob> Put(Stream content, CancellationToken cancel = default);

    /// <summary>A readable, seekable stream over the whole blob.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    Task<Stream> Open(Digest id, CancellationToken cancel = default);

    /// <summary>Its length in bytes, or null when the store does not have it.</summary>
    Task<long?> Length(Digest id, CancellationToken cancel = default);

    /// <summary>Removes the blob; nothing happens when it is not there.</summary>
    Task Delete(Digest id, CancellationToken cancel = default);

    IAsyncEnumerable<Blob> List(CancellationToken cancel = default);

    /// <summary>A local, read-only file that holds the blob (memory-map or link it, never write it).</summary>
    /// <remarks>A remote store fetches the blob into a local cache first.</remarks>
    /// <exception cref="TaktException">NotFound.</exception>
    Task<string> LocalFile(Digest id, CancellationToken cancel = default);
}
