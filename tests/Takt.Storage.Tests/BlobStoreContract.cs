using System.Security.Cryptography;

namespace Takt.Storage.Tests;

/// <summary>What every <see cref="IBlobStore"/> does; each store derives from this and passes it whole.</summary>
public abstract class BlobStoreContract
{
    protected abstract IBlobStore Store { get; }

    static byte[] Bytes(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    async Task<byte[]> ReadAll(Digest id)
    {
        await using var content = await Store.Open(id);
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy);
        return copy.ToArray();
    }

    async Task<List<Blob>> All()
    {
        var all = new List<Blob>();
        await foreach (var blob in Store.List()) all.Add(blob);
        return all;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(131_072)]
    [InlineData(131_073)]
    [InlineData(3_000_000)]
    public async Task What_was_put_is_what_is_read_and_its_id_is_its_sha256(int length)
    {
        var content = Bytes(length);
        var blob = await Store.Put(new MemoryStream(content));
        Assert.Equal(new Blob(Digest.Parse(Convert.ToHexStringLower(SHA256.HashData(content))), length), blob);
        Assert.Equal(content, await ReadAll(blob.Id));
        Assert.Equal(length, await Store.Length(blob.Id));
        Assert.Equal(content, await File.ReadAllBytesAsync(await Store.LocalFile(blob.Id)));
    }

    [Fact]
    public async Task Only_what_the_stream_still_holds_is_stored()
    {
        var content = new MemoryStream(Bytes(100)) { Position = 60 };
        Assert.Equal(40, (await Store.Put(content)).Length);
    }

    [Fact]
    public async Task The_same_content_twice_is_one_blob()
    {
        var first = await Store.Put(new MemoryStream(Bytes(1000)));
        var second = await Store.Put(new MemoryStream(Bytes(1000)));
        Assert.Equal(first, second);
        Assert.Equal([first], await All());
    }

    [Fact]
    public async Task Many_that_put_the_same_and_other_content_at_once_all_succeed()
    {
        var blobs = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Run(() => Store.Put(new MemoryStream(Bytes(10_000, i % 8))))));
        Assert.Equal(8, blobs.Distinct().Count());
        Assert.Equal(blobs.Distinct().OrderBy(blob => blob.Id), (await All()).OrderBy(blob => blob.Id));
    }

    [Fact]
    public async Task An_opened_blob_can_be_sought_and_outlives_its_deletion_by_another()
    {
        var content = Bytes(100_000);
        var blob = await Store.Put(new MemoryStream(content));
        await using var open = await Store.Open(blob.Id);
        Assert.Equal(content.Length, open.Length);
        open.Seek(99_990, SeekOrigin.Begin);
        var end = new byte[10];
        await open.ReadExactlyAsync(end);
        Assert.Equal(content[^10..], end);
    }

    [Fact]
    public async Task A_blob_that_is_not_there_is_not_found()
    {
        var id = Digest.Of("nobody put this"u8);
        Assert.Null(await Store.Length(id));
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Store.Open(id))).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Store.LocalFile(id))).Error);
        await Store.Delete(id);
    }

    [Fact]
    public async Task A_deleted_blob_is_gone_and_can_be_put_again()
    {
        var blob = await Store.Put(new MemoryStream(Bytes(10)));
        await Store.Delete(blob.Id);
        Assert.Null(await Store.Length(blob.Id));
        Assert.Empty(await All());
        await Store.Put(new MemoryStream(Bytes(10)));
        Assert.Equal(10, await Store.Length(blob.Id));
    }

    [Fact]
    public async Task A_source_that_breaks_or_is_cancelled_leaves_nothing()
    {
        await Assert.ThrowsAsync<InvalidDataException>(() => Store.Put(new BreakingStream()));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.Put(new MemoryStream(Bytes(10)), new CancellationToken(canceled: true)));
        Assert.Empty(await All());
    }

    sealed class BreakingStream : MemoryStream
    {
        int _reads;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancel = default) =>
            _reads++ < 2 ? new(buffer.Length) : throw new InvalidDataException("the source broke");
    }
}
