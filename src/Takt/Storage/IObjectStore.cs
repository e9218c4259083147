namespace Takt.Storage;

/// <summary>Finished files by name, such as <c>packs/ab/ID.pack</c>: a folder or a bucket. A name always stands for the same bytes.</summary>
/// <remarks>Safe for concurrent use by many threads and by several processes.</remarks>
public interface IObjectStore
{
    /// <summary>A folder for work in flight, on the file system of the local files; it is gone after the process, however that ends.</summary>
    string Scratch { get; }

    /// <summary>A folder beside it for what may go on in another process, another day: each file is named after what it is to become, and goes when nobody has touched it for a week.</summary>
    string Partial { get; }

    /// <summary>Takes a finished file out of <see cref="Scratch"/>. On return it survives power loss. A name that is there already keeps its bytes.</summary>
    Task Publish(string name, string file, CancellationToken cancel = default);

    /// <summary>A local, read-only file with the object's bytes; a bucket's is fetched into a cache first.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    Task<string> LocalFile(string name, CancellationToken cancel = default);

    /// <summary>Makes a small object unless the name is taken: of many who try at once one succeeds. On true it survives power loss.</summary>
    Task<bool> Create(string name, ReadOnlyMemory<byte> content, CancellationToken cancel = default);

    /// <summary>Fills <paramref name="content"/> with the object's bytes from <paramref name="from"/> on, straight from where it lies, past any cache.</summary>
    /// <exception cref="TaktException">NotFound. Invalid: it ends before.</exception>
    Task Read(string name, long from, Memory<byte> content, CancellationToken cancel = default);

    /// <summary>Removes it; nothing happens when it is not there.</summary>
    Task Remove(string name, CancellationToken cancel = default);

    /// <summary>All whose names begin with <paramref name="prefix"/>, a folder's name and <c>/</c>.</summary>
    IAsyncEnumerable<StoredObject> Objects(string prefix, CancellationToken cancel = default);
}
