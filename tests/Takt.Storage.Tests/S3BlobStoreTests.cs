using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Microsoft.Extensions.Time.Testing;
using Takt.Storage.S3;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

public sealed class S3BlobStoreTests(S3Gateway gateway) : BlobStoreContract, IAsyncLifetime
{
    const string Bucket = "takt-test";

    static int s_prefixes;

    readonly string _prefix = $"team a/{Interlocked.Increment(ref s_prefixes)}";
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    string _endpoint = null!;
    BasicAWSCredentials _keys = null!;
    AmazonS3Client _s3 = null!;
    S3BlobStore _store = null!;

    protected override IBlobStore Store => _store;

    public async ValueTask InitializeAsync()
    {
        var (endpoint, access, secret) = await gateway.Address;
        (_endpoint, _keys) = (endpoint, new BasicAWSCredentials(access, secret));
        _s3 = new AmazonS3Client(_keys, S3Address.Parse(Address()).Settings());
        await _s3.PutBucketAsync(Bucket);
        _store = Open("cache");
    }

    public ValueTask DisposeAsync()
    {
        _store?.Dispose();
        _s3?.Dispose();
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    string Address(string bucket = Bucket) => $"s3://{bucket}/{_prefix}?endpoint={_endpoint}";

    S3BlobStore Open(string cache) => S3BlobStore.Open(Address(), Path.Combine(_folder, cache), _keys);

    string Key(Digest id) => $"{_prefix}/loose/{id.Hex[..2]}/{id.Hex[2..4]}/{id.Hex}";

    [Fact]
    public async Task Another_machine_reads_what_this_one_put()
    {
        var blob = await Store.Put(new MemoryStream("hello"u8.ToArray()));
        using var other = Open("another machine");
        Assert.Equal("hello"u8.ToArray(), await File.ReadAllBytesAsync(await other.LocalFile(blob.Id)));
        Assert.True(new FileInfo(await other.LocalFile(blob.Id)).IsReadOnly);
        Assert.Equal(5, (await _s3.GetObjectMetadataAsync(Bucket, Key(blob.Id))).ContentLength);
    }

    [Fact]
    public async Task A_large_blob_goes_in_parts_and_comes_back_whole()
    {
        var content = new byte[(int)S3Upload.LargestWhole + 12_345];
        new Random(7).NextBytes(content);
        var blob = await Store.Put(new MemoryStream(content));
        Assert.EndsWith("-5\"", (await _s3.GetObjectMetadataAsync(Bucket, Key(blob.Id))).ETag); // S3's mark of an object of five parts
        using var other = Open("another machine");
        await using var back = await other.Open(blob.Id);
        Assert.Equal(blob.Id, Digest.FromHash(await System.Security.Cryptography.SHA256.HashDataAsync(back)));
        Assert.Empty((await _s3.ListMultipartUploadsAsync(Bucket)).MultipartUploads ?? []);
    }

    [Fact]
    public async Task Parts_that_clients_put_past_the_server_become_a_blob_under_its_hash()
    {
        byte[][] parts = [new byte[5 << 20], "the end"u8.ToArray()]; // the service takes no part below 5 MiB but the last
        new Random(8).NextBytes(parts[0]);
        var uploads = _store.Direct;
        var id = await uploads.Begin("uploads/x");
        using var http = new HttpClient();
        var tags = new List<(int, string)>();
        for (var part = 1; part <= 2; part++)
        {
            using var put = await http.PutAsync(await uploads.PartUrl("uploads/x", id, part, TimeSpan.FromMinutes(10)), new ByteArrayContent(parts[part - 1]));
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
            tags.Add((part, put.Headers.ETag!.Tag.Trim('"')));
        }
        Assert.Equal(TaktError.Invalid, (await Assert.ThrowsAsync<TaktException>(() => uploads.Complete("uploads/x", id, [tags[0], (2, tags[0].Item2)]))).Error);
        var blob = await uploads.Complete("uploads/x", id, tags);
        byte[] whole = [.. parts[0], .. parts[1]];
        Assert.Equal(new Blob(Digest.Of(whole), whole.Length), blob);
        using var other = Open("another machine");
        Assert.Equal(whole, await File.ReadAllBytesAsync(await other.LocalFile(blob.Id)));
        Assert.Empty((await _s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = $"{_prefix}/uploads/" })).S3Objects ?? []);

        // put together, and then the server died: asked again it goes on
        id = await uploads.Begin("uploads/y");
        using (await http.PutAsync(await uploads.PartUrl("uploads/y", id, 1, TimeSpan.FromMinutes(10)), new ByteArrayContent(parts[1]))) { }
        var tag = (await _s3.ListPartsAsync(Bucket, $"{_prefix}/uploads/y", id)).Parts.Single().ETag;
        await _s3.CompleteMultipartUploadAsync(new CompleteMultipartUploadRequest { BucketName = Bucket, Key = $"{_prefix}/uploads/y", UploadId = id, PartETags = [new PartETag(1, tag)] });
        Assert.Equal(Digest.Of(parts[1]), (await uploads.Complete("uploads/y", id, [(1, tag)])).Id);

        id = await uploads.Begin("uploads/z");
        await uploads.Abort("uploads/z", id);
        await uploads.Abort("uploads/z", id);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => uploads.Complete("uploads/z", id, [(1, tag)]))).Error);
    }

    [Fact]
    public async Task What_is_too_large_for_one_copy_is_copied_within_the_bucket_in_parts()
    {
        const int Part = 5 << 20; // the service takes no part below 5 MiB but the last
        var content = new byte[(2 * Part) + 12_345];
        new Random(9).NextBytes(content);
        var uploads = new S3DirectUploads(_s3, S3Address.Parse(Address()), Key, TimeProvider.System, largestCopy: Part);
        using var http = new HttpClient();
        // as large as two copies, and some bytes more
        foreach (var (name, length, copies) in new[] { ("one", Part, 0), ("two", 2 * Part, 2), ("more", content.Length, 3) })
        {
            var id = await uploads.Begin($"uploads/{name}");
            using var put = await http.PutAsync(await uploads.PartUrl($"uploads/{name}", id, 1, TimeSpan.FromMinutes(10)), new ByteArrayContent(content, 0, length));
            var blob = await uploads.Complete($"uploads/{name}", id, [(1, put.Headers.ETag!.Tag.Trim('"'))]);
            Assert.Equal(new Blob(Digest.Of(content.AsSpan(0, length)), length), blob);
            var there = await _s3.GetObjectMetadataAsync(Bucket, Key(blob.Id));
            Assert.Equal(length, there.ContentLength);
            Assert.EndsWith(copies == 0 ? "\"" : $"-{copies}\"", there.ETag); // S3's mark of an object of so many parts
            using var other = Open($"machine {name}");
            await using var back = await other.Open(blob.Id);
            Assert.Equal(blob.Id, Digest.FromHash(await System.Security.Cryptography.SHA256.HashDataAsync(back)));
        }
        Assert.Empty((await _s3.ListMultipartUploadsAsync(Bucket)).MultipartUploads ?? []);
        Assert.Empty((await _s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = $"{_prefix}/uploads/" })).S3Objects ?? []);
    }

    [Fact]
    public async Task Bytes_that_were_changed_in_the_bucket_are_refused_and_not_cached()
    {
        var blob = await Store.Put(new MemoryStream("hello"u8.ToArray()));
        await _s3.PutObjectAsync(new PutObjectRequest { BucketName = Bucket, Key = Key(blob.Id), ContentBody = "jello", UseChunkEncoding = false });
        using var other = Open("another machine");
        for (var i = 0; i < 2; i++)
        {
            var e = await Assert.ThrowsAsync<TaktException>(() => other.Open(blob.Id));
            Assert.Equal(TaktError.Invalid, e.Error);
            Assert.Contains(blob.Id.ToString(), e.Message);
        }
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "another machine", "loose"), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_put_never_overwrites_an_object_that_is_there()
    {
        var blob = await Store.Put(new MemoryStream("hello"u8.ToArray()));
        var file = Path.Combine(_folder, "other");
        await File.WriteAllTextAsync(file, "jello");
        await S3Upload.Whole(_s3, Bucket, Key(blob.Id), file, CancellationToken.None);
        using var other = Open("another machine");
        Assert.Equal("hello"u8.ToArray(), await File.ReadAllBytesAsync(await other.LocalFile(blob.Id)));
    }

    [Fact]
    public async Task A_blob_that_only_the_cache_has_is_put_into_the_bucket_again()
    {
        var blob = await Store.Put(new MemoryStream("hello"u8.ToArray()));
        await _s3.DeleteObjectAsync(Bucket, Key(blob.Id));
        await Store.Put(new MemoryStream("hello"u8.ToArray()));
        Assert.Equal(5, await Store.Length(blob.Id));
    }

    [Fact]
    public async Task Listing_goes_on_beyond_one_page()
    {
        var put = new List<Blob>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 1_050), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, cancel) =>
        {
            var blob = await _store.Put(new MemoryStream(BitConverter.GetBytes(i)), cancel);
            lock (put) put.Add(blob);
        });
        var listed = new List<Blob>();
        await foreach (var blob in _store.List()) listed.Add(blob);
        Assert.Equal(put.OrderBy(b => b.Id), listed.OrderBy(b => b.Id));
    }

    [Fact]
    public async Task A_download_URL_needs_no_keys_and_ends()
    {
        var blob = await Store.Put(new MemoryStream("hello"u8.ToArray()));
        using var http = new HttpClient();
        Assert.Equal("hello", await http.GetStringAsync(await _store.DownloadUrl(blob.Id, TimeSpan.FromMinutes(1), TimeProvider.System)));
        var past = new FakeTimeProvider(DateTimeOffset.UtcNow.AddHours(-2));
        var ended = await http.GetAsync(await _store.DownloadUrl(blob.Id, TimeSpan.FromMinutes(1), past));
        Assert.Equal(System.Net.HttpStatusCode.Forbidden, ended.StatusCode);
    }

    [Fact]
    public void A_wrong_secret_an_unknown_bucket_and_a_service_that_is_not_there_are_told_apart()
    {
        var wrong = new BasicAWSCredentials(_keys.GetCredentials().AccessKey, "hunter2hunter2");
        var e = Assert.Throws<TaktException>(() => S3BlobStore.Open(Address(), Path.Combine(_folder, "x"), wrong));
        Assert.Equal(TaktError.Denied, e.Error);
        Assert.Contains("AWS_SECRET_ACCESS_KEY", e.Message);
        Assert.DoesNotContain("hunter2", e.ToString());

        e = Assert.Throws<TaktException>(() => S3BlobStore.Open(Address("nobody-made-this"), Path.Combine(_folder, "x"), _keys));
        Assert.Equal(TaktError.NotFound, e.Error);
        Assert.Contains("nobody-made-this", e.Message);

        e = Assert.Throws<TaktException>(() => S3BlobStore.Open("s3://b?endpoint=http://127.0.0.1:1", Path.Combine(_folder, "x"), _keys));
        Assert.Equal(TaktError.Unavailable, e.Error);
        Assert.Contains("127.0.0.1:1", e.Message);
    }

    [Theory]
    [InlineData("s3://")]
    [InlineData("s3:///x")]
    [InlineData("folder")]
    [InlineData("s3://AKIA:hunter2@bucket")]
    [InlineData("s3://bucket?endpiont=http://x")]
    [InlineData("s3://bucket?endpoint=ftp://x")]
    public void An_address_that_means_nothing_is_refused_in_one_line(string address)
    {
        var e = Assert.Throws<TaktException>(() => S3Address.Parse(address));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.DoesNotContain("hunter2", e.Message);
    }
}
