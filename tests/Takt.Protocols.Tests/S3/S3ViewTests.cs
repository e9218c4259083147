using System.Net;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Takt.Data;
using Takt.Protocols.Tests.Mlflow;
using Takt.Server.Protocols.S3;
using Takt.Storage;

namespace Takt.Protocols.Tests.S3;

/// <summary>AWS's own client, unmodified, reads versions of datasets.</summary>
public sealed class S3ViewTests : IAsyncDisposable
{
    static readonly S3Keys Keys = new("AKTAKT", "a+secret/of=takt");

    readonly string _folder = Directory.CreateTempSubdirectory("takt-s3view").FullName;
    readonly List<IAsyncDisposable> _servers = [];

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    async Task<(MlflowServer Server, AmazonS3Client S3)> Start(S3Keys? keys = null, AWSCredentials? credentials = null)
    {
        var server = await MlflowServer.Start(s3Keys: keys);
        _servers.Add(server);
        return (server, Client(server, credentials ?? new BasicAWSCredentials("any", "thing")));
    }

    static AmazonS3Client Client(MlflowServer server, AWSCredentials credentials) =>
        new(credentials, new AmazonS3Config { ServiceURL = $"{server.Client.BaseAddress}s3", ForcePathStyle = true, AuthenticationRegion = "eu-west-7", MaxErrorRetry = 0 });

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<DatasetCommit> Commit(MlflowServer server, string dataset, params (string Path, byte[] Content)[] files)
    {
        var all = new Dictionary<string, string>();
        foreach (var (path, content) in files)
        {
            var file = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
            await File.WriteAllBytesAsync(file, content, Cancel);
            all[path] = file;
        }
        return (await server.App.Datasets.Commit(new NewVersion(dataset, all), Cancel)).Commit;
    }

    static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    static async Task<byte[]> Read(AmazonS3Client s3, GetObjectRequest request)
    {
        using var answer = await s3.GetObjectAsync(request, Cancel);
        using var content = new MemoryStream();
        await answer.ResponseStream.CopyToAsync(content, Cancel);
        return content.ToArray();
    }

    [Fact]
    public async Task A_version_is_listed_and_read_by_branch_tag_number_and_id()
    {
        var (server, s3) = await Start();
        var first = await Commit(server, "trips", ("a.csv", "x,y\n1,2\n"u8.ToArray()), ("img/1.png", Noise(10, 1)), ("img/deep/2.png", Noise(11, 2)), ("large.bin", Noise(3_000_000, 3)));
        await new DatasetBranches(server.App.Database, server.App.Blobs, server.App.Datasets, TimeProvider.System).Create("release-1", "trips@main", tag: true);
        await Commit(server, "trips", ("a.csv", "x,y\n9,9\n"u8.ToArray()));
        await Commit(server, "other", ("z", []));

        Assert.Equal(["other", "trips"], (await s3.ListBucketsAsync(Cancel)).Buckets.Select(bucket => bucket.BucketName));
        Assert.Equal("", (await s3.GetBucketLocationAsync("trips", Cancel)).Location.Value);
        var top = await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips", Delimiter = "/" }, Cancel);
        Assert.Equal(["main/", "release-1/"], top.CommonPrefixes);
        var listed = await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips", Prefix = "release-1/", Delimiter = "/" }, Cancel);
        Assert.Equal(["release-1/a.csv", "release-1/large.bin"], listed.S3Objects.Select(one => one.Key));
        Assert.Equal(["release-1/img/"], listed.CommonPrefixes);
        Assert.Equal((3_000_000, $"\"sha256-{Digest.Of(Noise(3_000_000, 3)).Hex}\""), (listed.S3Objects[1].Size, listed.S3Objects[1].ETag));
        foreach (var name in (string[])["release-1", "v1", first.Id.ToString(), first.Id.ToString()[..15]])
            Assert.Equal("x,y\n1,2\n", Encoding.UTF8.GetString(await Read(s3, new GetObjectRequest { BucketName = "trips", Key = name + "/a.csv" })));
        Assert.Equal("x,y\n9,9\n", Encoding.UTF8.GetString(await Read(s3, new GetObjectRequest { BucketName = "trips", Key = "main/a.csv" })));
        Assert.Equal(2, (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips", Prefix = "v1/img/" }, Cancel)).S3Objects.Count);

        // with the SDK's checksum of the whole, in parts, and headers only
        Assert.Equal(Noise(3_000_000, 3), await Read(s3, new GetObjectRequest { BucketName = "trips", Key = "v1/large.bin", ChecksumMode = ChecksumMode.ENABLED }));
        Assert.Equal(Noise(3_000_000, 3)[1_000_000..2_000_001], await Read(s3, new GetObjectRequest { BucketName = "trips", Key = "v1/large.bin", ByteRange = new ByteRange(1_000_000, 2_000_000) }));
        Assert.Equal(Noise(3_000_000, 3)[^5..], await Read(s3, new GetObjectRequest { BucketName = "trips", Key = "v1/large.bin", ByteRange = new ByteRange("bytes=-5") }));
        var head = await s3.GetObjectMetadataAsync("trips", "v1/a.csv", Cancel);
        Assert.Equal((8, "text/csv", first.Id.ToString()), (head.ContentLength, head.Headers.ContentType, head.Metadata["takt-commit"]));
        Assert.Equal(0, (await s3.GetObjectMetadataAsync("other", "main/z", Cancel)).ContentLength);
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, (await Fails(() => Read(s3, new GetObjectRequest { BucketName = "trips", Key = "v1/a.csv", ByteRange = new ByteRange(100, 200) }))).StatusCode);
        Assert.Equal(HttpStatusCode.NotModified, (await Fails(() => Read(s3, new GetObjectRequest { BucketName = "trips", Key = "v1/a.csv", EtagToNotMatch = head.ETag }))).StatusCode);
    }

    [Fact]
    public async Task Pages_join_to_the_whole_whatever_their_size_and_stay_in_one_version()
    {
        var (server, s3) = await Start();
        var names = Enumerable.Range(0, 40).Select(i => $"d{i % 4}/e{i % 3}/f{i}").Append("d1-x").Append("d1.y").Append("top").ToArray();
        await Commit(server, "many", names.Select(name => (name, Encoding.UTF8.GetBytes(name))).ToArray());
        await new DatasetBranches(server.App.Database, server.App.Blobs, server.App.Datasets, TimeProvider.System).Create("main-2", "many@main", tag: false);
        foreach (var (prefix, delimiter) in ((string, string?)[])[("", null), ("", "/"), ("main/", null), ("main/", "/"), ("main/d1", "/"), ("main/d1/", "/"), ("main/d", "e"), ("m", "n"), ("none/", "/"), ("x", "/")])
        {
            var (whole, _) = await All(1000);
            foreach (var size in (int[])[1, 2, 7]) Assert.Equal(whole, (await All(size)).Keys);
            // what S3 says of the same keys
            var keys = new[] { "main", "main-2" }.SelectMany(name => names.Select(path => $"{name}/{path}")).Where(key => key.StartsWith(prefix, StringComparison.Ordinal));
            var expected = keys.Select(key => delimiter is not null && key.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal) is >= 0 and var at ? key[..(at + delimiter.Length)] : key).Distinct().Order(StringComparer.Ordinal);
            Assert.Equal(expected, whole);

            async Task<(List<string> Keys, int Pages)> All(int size)
            {
                var (found, pages) = (new List<string>(), 0);
                var request = new ListObjectsV2Request { BucketName = "many", Prefix = prefix, Delimiter = delimiter, MaxKeys = size };
                while (true)
                {
                    var page = await s3.ListObjectsV2Async(request, Cancel);
                    pages++;
                    var both = (page.S3Objects ?? []).Select(one => one.Key).Concat(page.CommonPrefixes ?? []).Order(StringComparer.Ordinal).ToList();
                    Assert.True(both.Count <= size && both.Count == page.KeyCount);
                    found.AddRange(both);
                    if (page.IsTruncated != true) return (found, pages);
                    request.ContinuationToken = page.NextContinuationToken;
                }
            }
        }
        var begun = await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "many", Prefix = "main/", MaxKeys = 10 }, Cancel);
        await Commit(server, "many", ("only", "one"u8.ToArray()));
        Assert.Equal(33, (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "many", Prefix = "main/", ContinuationToken = begun.NextContinuationToken }, Cancel)).S3Objects.Count);
        Assert.Equal(["main/only"], (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "many", Prefix = "main/" }, Cancel)).S3Objects.Select(one => one.Key));
        Assert.Equal(["main-2/top"], (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "many", Prefix = "main-2/", StartAfter = "main-2/e" }, Cancel)).S3Objects.Select(one => one.Key));
        var old = await s3.ListObjectsAsync(new ListObjectsRequest { BucketName = "many", Prefix = "main-2/", Delimiter = "/", MaxKeys = 2 }, Cancel);
        Assert.Equal(["main-2/d1-x", "main-2/d0/", "main-2/d1-x"], [.. old.S3Objects.Select(one => one.Key), .. old.CommonPrefixes, old.NextMarker]);
        Assert.Equal(["main-2/d1.y", "main-2/d1/"], await Old("main-2/d1-x"));
        Assert.Equal(["main-2/d2/", "main-2/d3/"], await Old("main-2/d1/")); // a marker that is a beginning is behind all of it

        async Task<IEnumerable<string>> Old(string marker)
        {
            var page = await s3.ListObjectsAsync(new ListObjectsRequest { BucketName = "many", Prefix = "main-2/", Delimiter = "/", MaxKeys = 2, Marker = marker }, Cancel);
            return [.. (page.S3Objects ?? []).Select(one => one.Key), .. page.CommonPrefixes ?? []];
        }
    }

    [Fact]
    public async Task Names_of_every_kind_are_listed_and_read()
    {
        var (server, s3) = await Start();
        string[] names = ["a b+c&d=e%20?#.txt", "ünïcode/日本語.txt", "emoji 🚀", "line\nbreak", "quote\"<>'", "100%", "semi;colon:@", "back\\slash"];
        await Commit(server, "odd", names.Select(name => (name, Encoding.UTF8.GetBytes(name))).ToArray());
        foreach (var encoding in (EncodingType?[])[null, EncodingType.Url])
        {
            var listed = await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "odd", Prefix = "main/", Encoding = encoding }, Cancel);
            Assert.Equal(names.Order(StringComparer.Ordinal), listed.S3Objects.Select(one => (encoding is null ? one.Key : Uri.UnescapeDataString(one.Key))["main/".Length..]).Order(StringComparer.Ordinal));
        }
        foreach (var name in names) Assert.Equal(name, Encoding.UTF8.GetString(await Read(s3, new GetObjectRequest { BucketName = "odd", Key = "main/" + name })));
    }

    [Fact]
    public async Task With_keys_every_request_must_be_signed_by_them()
    {
        var (server, s3) = await Start(Keys, new BasicAWSCredentials(Keys.AccessKey, Keys.SecretKey));
        await Commit(server, "trips", ("a b+c.csv", "1"u8.ToArray()), ("ü/d.csv", "2"u8.ToArray()));
        Assert.Equal(2, (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips", Prefix = "main/" }, Cancel)).S3Objects.Count);
        foreach (var key in (string[])["main/a b+c.csv", "main/ü/d.csv"])
        {
            Assert.NotEmpty(await Read(s3, new GetObjectRequest { BucketName = "trips", Key = key, ByteRange = new ByteRange(0, 0) }));
            var presigned = await s3.GetPreSignedURLAsync(new GetPreSignedUrlRequest { BucketName = "trips", Key = key, Expires = TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(5), Protocol = Protocol.HTTP });
            using (var answer = await server.Client.GetAsync(presigned, Cancel)) Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            using (var answer = await server.Client.GetAsync(presigned.Replace("X-Amz-Expires=", "X-Amz-Expires=1", StringComparison.Ordinal), Cancel)) Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            using (var answer = await server.Client.GetAsync(presigned.Replace("main", "v1", StringComparison.Ordinal), Cancel)) Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }
        using (var answer = await server.Client.GetAsync("/s3/trips", Cancel)) Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        using (var wrong = Client(server, new BasicAWSCredentials(Keys.AccessKey, "guess")))
            Assert.Equal("SignatureDoesNotMatch", (await Fails(() => wrong.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips" }, Cancel))).ErrorCode);
        using (var wrong = Client(server, new BasicAWSCredentials("AKOTHER", Keys.SecretKey)))
            Assert.Equal("InvalidAccessKeyId", (await Fails(() => wrong.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips" }, Cancel))).ErrorCode);
        using var anonymous = Client(server, new AnonymousAWSCredentials());
        Assert.Equal("AccessDenied", (await Fails(() => anonymous.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips" }, Cancel))).ErrorCode);
    }

    [Fact]
    public async Task What_is_not_there_and_what_can_not_be_is_told_in_s3s_words()
    {
        var (server, s3) = await Start(credentials: new AnonymousAWSCredentials());
        await Commit(server, "trips", ("a.csv", "1"u8.ToArray()));
        Assert.Equal("NoSuchBucket", (await Fails(() => s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "nope" }, Cancel))).ErrorCode);
        foreach (var key in (string[])["main/b.csv", "nope/a.csv", "main", "main/", "../x", "main/a.csv/b"])
            Assert.Equal(HttpStatusCode.NotFound, (await Fails(() => s3.GetObjectMetadataAsync("trips", key, Cancel))).StatusCode);
        Assert.Equal("NoSuchKey", (await Fails(() => Read(s3, new GetObjectRequest { BucketName = "trips", Key = "main/b.csv" }))).ErrorCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await Fails(() => s3.PutObjectAsync(new PutObjectRequest { BucketName = "trips", Key = "main/b", ContentBody = "x" }, Cancel))).StatusCode);
        Assert.Equal("MethodNotAllowed", (await Fails(() => s3.DeleteObjectAsync("trips", "main/a.csv", Cancel))).ErrorCode);
        Assert.Equal("NotImplemented", (await Fails(() => s3.GetObjectTaggingAsync(new GetObjectTaggingRequest { BucketName = "trips", Key = "main/a.csv" }, Cancel))).ErrorCode);
        Assert.Equal("InvalidArgument", (await Fails(() => s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "trips", ContinuationToken = "nonsense" }, Cancel))).ErrorCode);
        using (var answer = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/s3/trips"), Cancel)) Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        using (var answer = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/s3/nope"), Cancel)) Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    static async Task<AmazonS3Exception> Fails(Func<Task> call) => await Assert.ThrowsAnyAsync<AmazonS3Exception>(call);
}
