using System.Net;
using System.Runtime.CompilerServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Takt.Storage.FileSystem;

namespace Takt.Storage.S3;

/// <summary>Blobs as objects <c>loose/ab/cd/SHA256</c> of a bucket, packs beside them, with a folder of this machine as cache.</summary>
/// <remarks>
/// The id of a blob is its hash, known only at its end: what is put goes into the cache first and from there to the bucket, so the machine needs
/// room for the largest blob. What is fetched is hashed on its way into the cache, and refused when it is not what the id says. The cache is only
/// ever added to; it may be removed while no Takt runs.
/// </remarks>
public sealed class S3BlobStore : IBlobStore, IObjectStore, IDisposable
{
    readonly S3Address _place;
    readonly AmazonS3Client _s3;
    readonly FolderBlobStore _cache;

    S3BlobStore(S3Address place, AmazonS3Client s3, FolderBlobStore cache, TimeProvider time)
    {
        (_place, _s3, _cache) = (place, s3, cache);
        Direct = new S3DirectUploads(s3, place, Key, time);
    }

    /// <param name="address"><c>s3://bucket/prefix?endpoint=…&amp;region=…</c>; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where else the AWS SDK looks.</param>
    /// <param name="cache">A folder for local copies; several processes may share it.</param>
    /// <exception cref="TaktException">Unavailable: not reachable. Denied: keys. NotFound: no such bucket. Invalid: the address.</exception>
    public static S3BlobStore Open(string address, string cache, TimeProvider? time = null, bool passing = false) => Open(address, cache, null, time, passing);

    internal static S3BlobStore Open(string address, string cache, AWSCredentials? keys, TimeProvider? time = null, bool passing = false)
    {
        var place = S3Address.Parse(address);
        AmazonS3Client? s3 = null;
        try
        {
            s3 = Client(retries: 3);
            // one that can't be reached when Takt starts is told soon; the SDK would wait up to 20 s between attempts
            using (var probe = Client(retries: 1))
                probe.ListObjectsV2Async(new ListObjectsV2Request { BucketName = place.Bucket, Prefix = place.Prefix, MaxKeys = 1 }).GetAwaiter().GetResult();
            return new S3BlobStore(place, s3, new FolderBlobStore(cache, time), time ?? TimeProvider.System) { Passing = passing };
        }
        catch (Exception e)
        {
            s3?.Dispose();
            if (S3Faults.Explain(place, e) is { } known) throw known;
            throw;
        }

        AmazonS3Client Client(int retries)
        {
            var settings = place.Settings(time);
            settings.MaxErrorRetry = retries;
            return keys is null ? new AmazonS3Client(settings) : new AmazonS3Client(keys, settings);
        }
    }

    /// <summary>Packs go by: what is published is not kept here as well. For a remote, whose data this machine has in its own store.</summary>
    public bool Passing { get; init; }

    /// <summary>For clients that send large content past the server.</summary>
    public DirectUploads Uploads => new(Direct.Begin, Direct.PartUrl, Direct.Complete, Direct.Abort);

    internal S3DirectUploads Direct { get; }

    /// <inheritdoc cref="FolderBlobStore.Scratch"/>
    public string Scratch => _cache.Scratch;

    public string Partial => _cache.Partial;

    public async Task<Blob> Put(Stream content, CancellationToken cancel = default)
    {
        var blob = await _cache.Put(content, cancel);
        if (await Length(blob.Id, cancel) == blob.Length) return blob with { WasThere = true };
        var file = await _cache.LocalFile(blob.Id, cancel);
        await Ask(blob.Length <= S3Upload.LargestWhole
            ? S3Upload.Whole(_s3, _place.Bucket, Key(blob.Id), file, cancel)
            : S3Upload.InParts(_s3, _place.Bucket, Key(blob.Id), file, blob.Length, cancel), cancel);
        return blob with { WasThere = false }; // in the bucket, whatever the cache had
    }

    public async Task<Stream> Open(Digest id, CancellationToken cancel = default)
    {
        await LocalFile(id, cancel);
        return await _cache.Open(id, cancel);
    }

    public async Task<long?> Length(Digest id, CancellationToken cancel = default)
    {
        try
        {
            return (await Ask(_s3.GetObjectMetadataAsync(_place.Bucket, Key(id), cancel), cancel)).ContentLength;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    public async Task Delete(Digest id, CancellationToken cancel = default)
    {
        await Ask(_s3.DeleteObjectAsync(_place.Bucket, Key(id), cancel), cancel);
        await _cache.Delete(id, cancel);
    }

    public async IAsyncEnumerable<Blob> List([EnumeratorCancellation] CancellationToken cancel = default)
    {
        var request = new ListObjectsV2Request { BucketName = _place.Bucket, Prefix = _place.Prefix + "loose/" };
        for (var more = true; more;)
        {
            var page = await Ask(_s3.ListObjectsV2Async(request, cancel), cancel);
            foreach (var item in page.S3Objects ?? [])
                if (Digest.TryParse(item.Key[(item.Key.LastIndexOf('/') + 1)..], out var id)) yield return new Blob(id, item.Size ?? 0);
            request.ContinuationToken = page.NextContinuationToken;
            more = page.IsTruncated == true;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="TaktException">NotFound. Invalid: the bucket holds other bytes under this id.</exception>
    public async Task<string> LocalFile(Digest id, CancellationToken cancel = default)
    {
        if (await _cache.Length(id, cancel) is null) await Fetch(id, cancel);
        return await _cache.LocalFile(id, cancel);
    }

    /// <summary>A URL that anyone may read the blob from, without keys, until it ends; for clients that should not load the server with large downloads.</summary>
    /// <param name="lifetime">At most 7 days.</param>
    public async Task<Uri> DownloadUrl(Digest id, TimeSpan lifetime, TimeProvider time) => new(await _s3.GetPreSignedURLAsync(new GetPreSignedUrlRequest
    {
        BucketName = _place.Bucket,
        Key = Key(id),
        Verb = HttpVerb.GET,
        Expires = (time.GetUtcNow() + lifetime).UtcDateTime,
        Protocol = _place.Endpoint?.StartsWith("http:", StringComparison.Ordinal) == true ? Protocol.HTTP : Protocol.HTTPS,
    }));

    public async Task Publish(string name, string file, CancellationToken cancel = default)
    {
        var length = new FileInfo(file).Length;
        await Ask(length <= S3Upload.LargestWhole
            ? S3Upload.Whole(_s3, _place.Bucket, _place.Prefix + name, file, cancel)
            : S3Upload.InParts(_s3, _place.Bucket, _place.Prefix + name, file, length, cancel), cancel);
        // a config that another machine made first is the one that counts; packs are the same bytes wherever they come from
        var isWhole = name.StartsWith("loose/", StringComparison.Ordinal);
        if ((isWhole || name.StartsWith("packs/", StringComparison.Ordinal)) && !(Passing && (isWhole || name.EndsWith(".pack", StringComparison.Ordinal)))) await _cache.Publish(name, file, cancel);
    }

    public async Task<bool> Create(string name, ReadOnlyMemory<byte> content, CancellationToken cancel = default)
    {
        try
        {
            await Ask(_s3.PutObjectAsync(new PutObjectRequest
            {
                BucketName = _place.Bucket,
                Key = _place.Prefix + name,
                InputStream = new MemoryStream(content.ToArray()),
                IfNoneMatch = "*",
                UseChunkEncoding = false,
            }, cancel), cancel);
            return true;
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict)
        {
            // perhaps our own, of an attempt whose answer was lost
            var there = new byte[content.Length];
            try
            {
                await Read(name, 0, there, cancel);
            }
            catch (TaktException other) when (other.Error is TaktError.Invalid or TaktError.NotFound)
            {
                return false;
            }
            return content.Span.SequenceEqual(there);
        }
    }

    public async Task Read(string name, long from, Memory<byte> content, CancellationToken cancel = default)
    {
        if (content.Length == 0) return;
        try
        {
            using var answer = await Ask(_s3.GetObjectAsync(new GetObjectRequest
            {
                BucketName = _place.Bucket,
                Key = _place.Prefix + name,
                ByteRange = new ByteRange(from, from + content.Length - 1),
            }, cancel), cancel);
            await using var body = answer.ResponseStream;
            await Ask(body.ReadExactlyAsync(content, cancel).AsTask(), cancel);
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            throw TaktException.NotFound($"{_place} has no {name}");
        }
        catch (Exception e) when (e is AmazonS3Exception { StatusCode: HttpStatusCode.RequestedRangeNotSatisfiable } || e is TaktException { InnerException: EndOfStreamException })
        {
            throw TaktException.Invalid($"{name} at {_place} is cut short");
        }
    }

    async Task<string> IObjectStore.LocalFile(string name, CancellationToken cancel)
    {
        IObjectStore cache = _cache;
        try
        {
            return await cache.LocalFile(name, cancel);
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            // not fetched yet
        }
        try
        {
            using var answer = await Ask(_s3.GetObjectAsync(_place.Bucket, _place.Prefix + name, cancel), cancel);
            var tmp = Path.Combine(Scratch, Guid.NewGuid().ToString("N"));
            await using (var body = answer.ResponseStream)
            await using (var file = new FileStream(tmp, FileMode.CreateNew))
                await Ask(body.CopyToAsync(file, cancel), cancel);
            await _cache.Publish(name, tmp, cancel);
            return await cache.LocalFile(name, cancel);
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            throw TaktException.NotFound($"{_place} has no {name}");
        }
    }

    public async Task Remove(string name, CancellationToken cancel = default)
    {
        await Ask(_s3.DeleteObjectAsync(_place.Bucket, _place.Prefix + name, cancel), cancel);
        await _cache.Remove(name, cancel);
    }

    public async IAsyncEnumerable<StoredObject> Objects(string prefix, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        var request = new ListObjectsV2Request { BucketName = _place.Bucket, Prefix = _place.Prefix + prefix };
        for (var more = true; more;)
        {
            var page = await Ask(_s3.ListObjectsV2Async(request, cancel), cancel);
            foreach (var item in page.S3Objects ?? [])
                yield return new StoredObject(item.Key[_place.Prefix.Length..], item.Size ?? 0, new DateTimeOffset((item.LastModified ?? DateTime.UnixEpoch).ToUniversalTime(), TimeSpan.Zero));
            request.ContinuationToken = page.NextContinuationToken;
            more = page.IsTruncated == true;
        }
    }

    public void Dispose()
    {
        _cache.Dispose();
        _s3.Dispose();
    }

    async Task Fetch(Digest id, CancellationToken cancel)
    {
        try
        {
            using var answer = await Ask(_s3.GetObjectAsync(_place.Bucket, Key(id), cancel), cancel);
            await using var body = answer.ResponseStream;
            var fetched = await Ask(_cache.Put(body, cancel), cancel);
            if (fetched.Id == id) return;
            await _cache.Delete(fetched.Id, cancel);
            throw TaktException.Invalid($"{_place} holds other bytes than {id} says (SHA-256 {fetched.Id.Hex}); restore {Key(id)} from a backup, or delete it and make it again");
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            throw TaktException.NotFound($"the store has no blob {id}");
        }
    }

    async Task<T> Ask<T>(Task<T> request, CancellationToken cancel)
    {
        try
        {
            return await request;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && S3Faults.Explain(_place, e) is { } known)
        {
            throw known;
        }
    }

    Task Ask(Task request, CancellationToken cancel) => Ask(Done(request), cancel);

    static async Task<bool> Done(Task request)
    {
        await request;
        return true;
    }

    string Key(Digest id) => $"{_place.Prefix}loose/{id.Hex[..2]}/{id.Hex[2..4]}/{id.Hex}";
}
