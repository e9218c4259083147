using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests;

public sealed class FolderBlobStoreTests : BlobStoreContract, IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly FolderBlobStore _store;

    public FolderBlobStoreTests() => _store = new FolderBlobStore(_folder);

    protected override IBlobStore Store => _store;

    public void Dispose()
    {
        _store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_blob_is_a_read_only_file_named_after_its_id()
    {
        var blob = await Store.Put(new MemoryStream("hello"u8.ToArray()));
        var file = Path.Combine(_folder, "loose/2c/f2/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        Assert.Equal(file, await Store.LocalFile(blob.Id));
        Assert.True(new FileInfo(file).IsReadOnly);
    }

    [Fact]
    public async Task Nothing_stays_in_flight()
    {
        await Store.Put(new MemoryStream("hello"u8.ToArray()));
        await Assert.ThrowsAnyAsync<Exception>(() => Store.Put(new MemoryStream([1]), new CancellationToken(canceled: true)));
        Assert.Empty(Directory.GetFileSystemEntries(_store.Scratch));
        _store.Dispose();
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_folder, "tmp")));
    }

    [Fact]
    public void Opening_removes_what_dead_processes_left_and_nothing_of_the_living()
    {
        var tmp = Path.Combine(_folder, "tmp");
        File.WriteAllText(Path.Combine(_store.Scratch, "half"), "in flight");
        Directory.CreateDirectory(Path.Combine(tmp, "dead/checkout"));
        File.WriteAllText(Path.Combine(tmp, "dead/checkout/half"), "left over");
        File.WriteAllText(Path.Combine(tmp, "dead.lock"), "");
        File.WriteAllText(Path.Combine(tmp, "orphan"), "no lock at all");

        using (new FolderBlobStore(_folder)) Assert.True(Directory.Exists(Path.Combine(tmp, "dead"))); // just made: its process may be about to lock it

        var later = new FakeTimeProvider(DateTimeOffset.UtcNow.AddHours(1));
        using (new FolderBlobStore(_folder, later))
        {
            Assert.False(Directory.Exists(Path.Combine(tmp, "dead")));
            Assert.False(File.Exists(Path.Combine(tmp, "orphan")));
            Assert.Equal("in flight", File.ReadAllText(Path.Combine(_store.Scratch, "half")));
        }
        Assert.False(File.Exists(Path.Combine(tmp, "dead.lock")));
    }

    [Fact]
    public async Task A_full_disk_is_told_with_the_path_and_leaves_no_blob()
    {
        using var disk = SmallDisk.Mount(2);
        using (var store = new FolderBlobStore(Path.Combine(disk.Folder, "store")))
        {
            var e = await Assert.ThrowsAsync<TaktException>(() => store.Put(new MemoryStream(new byte[4 << 20])));
            Assert.Equal(TaktError.Unavailable, e.Error);
            Assert.Contains("disk full", e.Message);
            Assert.Contains(disk.Folder, e.Message);
            Assert.Empty(Directory.GetFiles(store.Scratch));
            Assert.Equal(1000, (await store.Put(new MemoryStream(new byte[1000]))).Length);
        }
        var write = Assert.Throws<TaktException>(() => Files.WriteAtomically(Path.Combine(disk.Folder, "f"), new byte[4 << 20]));
        Assert.Contains("disk full", write.Message);
        Assert.Empty(Directory.GetFiles(disk.Folder));
    }
}
