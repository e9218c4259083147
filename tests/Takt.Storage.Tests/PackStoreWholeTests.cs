using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

/// <summary>The contract over the pack store as the program uses it: what is put one by one stays a file of its own.</summary>
public sealed class PackStoreWholeTests : BlobStoreContract, IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly Database _database;
    readonly PackStore _packs;

    public PackStoreWholeTests()
    {
        _database = SqliteFile.Open(Path.Combine(_folder, "takt.db"));
        _packs = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, TimeProvider.System);
    }

    protected override IBlobStore Store => _packs;

    /// <summary>What is put goes in with a name, as artifacts do.</summary>
    static async Task<Blob> PutNamed(PackStore packs, byte[] content, List<Blob> named) => await packs.Put(new MemoryStream(content), (_, blob) => named.Add(blob));

    [Theory]
    [InlineData(0, true)]
    [InlineData(16 << 10, true)]
    [InlineData((16 << 10) + 1, false)]
    [InlineData(1_000_000, false)]
    public async Task Small_content_that_is_put_with_a_name_is_a_row_and_reads_as_any_other(int length, bool isRow)
    {
        var content = new byte[length];
        new Random(length).NextBytes(content);
        using var packs = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, TimeProvider.System) { SmallInRows = true };
        var named = new List<Blob>();
        var blob = await PutNamed(packs, content, named);
        Assert.Equal(new Blob(Digest.Of(content), length), blob);
        Assert.Equal([blob], named);
        Assert.Equal(isRow ? 1 : 0, _database.Read(session => session.Number($"select count(*) from small_blob")));
        Assert.Equal(isRow ? [] : [blob.Id.Hex], Directory.GetFiles(Path.Combine(_folder, "store", "loose"), "*", SearchOption.AllDirectories).Select(Path.GetFileName));
        await using (var opened = await packs.Open(blob.Id))
        {
            using var copy = new MemoryStream();
            await opened.CopyToAsync(copy);
            Assert.Equal(content, copy.ToArray());
        }
        Assert.Equal(content, await File.ReadAllBytesAsync(await packs.LocalFile(blob.Id)));
        Assert.Equal(length, await packs.Length(blob.Id));
        Assert.Equal([blob], await packs.List().ToListAsync());
        await packs.Delete(blob.Id);
        Assert.Null(await packs.Length(blob.Id));
        await Assert.ThrowsAsync<TaktException>(() => packs.Open(blob.Id));
    }

    [Fact]
    public async Task A_name_that_cannot_be_written_leaves_no_row_behind()
    {
        using var packs = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, TimeProvider.System) { SmallInRows = true };
        await Assert.ThrowsAsync<InvalidOperationException>(() => packs.Put(new MemoryStream([1, 2]), (_, _) => throw new InvalidOperationException("no")));
        Assert.Empty(await packs.List().ToListAsync());
    }

    public async ValueTask DisposeAsync()
    {
        _packs.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
