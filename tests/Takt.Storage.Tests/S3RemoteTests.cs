using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Takt.Data.Remotes;
using Takt.Storage.S3;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

public sealed class S3RemoteTests(S3Gateway gateway) : RemoteContract, IAsyncLifetime
{
    const string Bucket = "takt-remotes";

    static int s_prefixes;

    readonly string _prefix = $"r{Interlocked.Increment(ref s_prefixes)}";
    int _caches;
    string _endpoint = null!;
    BasicAWSCredentials _keys = null!;
    AmazonS3Client _s3 = null!;

    string Address => $"s3://{Bucket}/{_prefix}?endpoint={_endpoint}";

    public async ValueTask InitializeAsync()
    {
        var (endpoint, access, secret) = await gateway.Address;
        (_endpoint, _keys) = (endpoint, new BasicAWSCredentials(access, secret));
        _s3 = new AmazonS3Client(_keys, S3Address.Parse(Address).Settings());
        await _s3.PutBucketAsync(Bucket);
    }

    public ValueTask DisposeAsync()
    {
        _s3?.Dispose();
        Dispose();
        return ValueTask.CompletedTask;
    }

    // each time as from another machine
    protected override Remote Open() => new ObjectRemote(S3BlobStore.Open(Address, Path.Combine(Folder, $"cache{_caches++}"), _keys, passing: true), Address);

    protected override async Task LosePack(bool cut)
    {
        var pack = (await _s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = _prefix + "/packs/" })).S3Objects.Where(item => item.Key.EndsWith(".pack", StringComparison.Ordinal)).MaxBy(item => item.Size)!;
        await _s3.DeleteObjectAsync(Bucket, pack.Key);
        if (cut) await _s3.PutObjectAsync(new PutObjectRequest { BucketName = Bucket, Key = pack.Key, InputStream = new MemoryStream(new byte[1000]), UseChunkEncoding = false });
    }

    protected override async Task DamagePack()
    {
        var pack = (await _s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = _prefix + "/packs/" })).S3Objects.First(item => item.Key.EndsWith(".pack", StringComparison.Ordinal));
        using var content = new MemoryStream();
        using (var answer = await _s3.GetObjectAsync(Bucket, pack.Key)) await answer.ResponseStream.CopyToAsync(content);
        content.Position = content.Length / 2;
        content.Write(new byte[16]);
        content.Position = 0;
        await _s3.PutObjectAsync(new PutObjectRequest { BucketName = Bucket, Key = pack.Key, InputStream = content, UseChunkEncoding = false });
    }
}
