namespace Takt.Storage.Tests;

/// <summary>A store over a bad line: of the reads of ranges, only every so many succeed.</summary>
sealed class BreakingStore(IBlobStore whole, int every) : IBlobStore, IObjectStore
{
    readonly IObjectStore _objects = (IObjectStore)whole;
    int _reads;

    public int Breaks { get; private set; }

    public string Scratch => _objects.Scratch;

    public string Partial => _objects.Partial;

    public Task Read(string name, long from, Memory<byte> content, CancellationToken cancel = default)
    {
        if (!name.StartsWith("loose/", StringComparison.Ordinal) || ++_reads % every == 0) return _objects.Read(name, from, content, cancel);
        Breaks++;
        throw new IOException("the line broke");
    }

    public Task<Blob> Put(Stream content, CancellationToken cancel = default) => whole.Put(content, cancel);

    public Task<Stream> Open(Digest id, CancellationToken cancel = default) => whole.Open(id, cancel);

    public Task<long?> Length(Digest id, CancellationToken cancel = default) => whole.Length(id, cancel);

    public Task Delete(Digest id, CancellationToken cancel = default) => whole.Delete(id, cancel);

    public IAsyncEnumerable<Blob> List(CancellationToken cancel = default) => whole.List(cancel);

    public Task<string> LocalFile(Digest id, CancellationToken cancel = default) => whole.LocalFile(id, cancel);

    public Task Publish(string name, string file, CancellationToken cancel = default) => _objects.Publish(name, file, cancel);

    Task<string> IObjectStore.LocalFile(string name, CancellationToken cancel) => _objects.LocalFile(name, cancel);

    public Task<bool> Create(string name, ReadOnlyMemory<byte> content, CancellationToken cancel = default) => _objects.Create(name, content, cancel);

    public Task Remove(string name, CancellationToken cancel = default) => _objects.Remove(name, cancel);

    public IAsyncEnumerable<StoredObject> Objects(string prefix, CancellationToken cancel = default) => _objects.Objects(prefix, cancel);
}
