#pragma warning disable CA1416 // modes of files: the tests run on Linux
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Data.WorkTrees;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

/// <summary>One machine's work tree and store.</summary>
public sealed class RemoteMachine : IAsyncDisposable
{
    public RemoteMachine(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, ".takt"));
        Root = folder;
        Tree = new WorkTree(folder, Path.Combine(folder, ".takt"));
        Database = SqliteFile.Open(Path.Combine(folder, ".takt/takt.db"));
        Store = new PackStore(new FolderBlobStore(Path.Combine(folder, ".takt/store")), Database, TimeProvider.System);
        Datasets = new Datasets(Database, Store, TimeProvider.System, Store.Scratch);
        Paths = new VersionedPaths(Tree, Database, Store, TimeProvider.System);
    }

    public string Root { get; }
    public WorkTree Tree { get; }
    public Database Database { get; }
    public PackStore Store { get; }
    public Datasets Datasets { get; }
    public VersionedPaths Paths { get; }

    public void Write(string path, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Root, path))!);
        File.WriteAllBytes(Path.Combine(Root, path), content);
    }

    public async Task<DatasetCommit> Add() => (await Paths.Add("data", null, "main", "")).Commit!;

    public Task<PushReport> Push(Remote remote, bool force = false) => new Push(Database, Store).Run(remote, [("data", "main")], [], force);

    public async Task<FetchReport> Fetch(Remote remote, string? only = null)
    {
        var fetch = new Fetch(Database, Store, TimeProvider.System);
        var refs = await fetch.Refs(remote, "origin", "data", []);
        return (await fetch.Content(remote, [Datasets.Show("data")], only)) with { Versions = refs.Versions, Moved = refs.Moved, Diverged = refs.Diverged };
    }

    public async Task<byte[]> Read(string path)
    {
        var file = (await Datasets.Tree(Datasets.Show("data"))).Files.First(file => file.Path == path);
        await using var content = await Store.Open(file.Digest);
        var bytes = new byte[file.Size];
        await content.ReadExactlyAsync(bytes);
        return bytes;
    }

    public async ValueTask DisposeAsync()
    {
        Store.Dispose();
        await Database.DisposeAsync();
    }
}
