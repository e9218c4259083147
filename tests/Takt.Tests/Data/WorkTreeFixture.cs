#pragma warning disable CA1416 // modes of files: the tests run on Linux
using System.Security.Cryptography;
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Tests.Data;

/// <summary>A folder that versions are kept of, with <c>data/a.txt</c> and <c>data/sub/b.txt</c>.</summary>
public abstract class WorkTreeFixture : IAsyncDisposable
{
    protected readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    protected readonly WorkTree _tree;
    protected readonly Database _database;
    protected readonly PackStore _store;
    protected readonly VersionedPaths _paths;
    protected readonly Datasets _datasets;

    protected WorkTreeFixture()
    {
        _tree = new WorkTree(_folder, PathOf(".takt"));
        _database = SqliteFile.Open(PathOf(".takt/takt.db"));
        _store = new PackStore(new FolderBlobStore(PathOf(".takt/store")), _database, TimeProvider.System);
        _paths = new VersionedPaths(_tree, _database, _store, TimeProvider.System);
        _datasets = new Datasets(_database, _store, TimeProvider.System, _store.Scratch);
        Directory.CreateDirectory(PathOf("data/sub"));
        Write("data/a.txt", "a");
        Write("data/sub/b.txt", "b");
    }

    public async ValueTask DisposeAsync()
    {
        _store.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected string PathOf(string path) => Path.Combine(_folder, path);

    protected void Write(string path, string content) => File.WriteAllText(PathOf(path), content);

    protected async Task<DatasetCommit> Add(string branch = "main") => (await _paths.Add("data", null, branch, "")).Commit!;
}
