using System.Buffers;
using System.Net;
using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;

namespace Takt.Storage.S3;

/// <summary>Uploads straight into a bucket. The hash that a blob is named by is known only when all is there: it is read once, then copied within the bucket.</summary>
/// <param name="largestCopy">Bytes; what is larger is copied in parts of this size. S3 copies at most 5 GiB in one request, and 5 TiB in 10,000 parts of 512 MiB and more.</param>
sealed class S3DirectUploads(IAmazonS3 s3, S3Address place, Func<Digest, string> keyOf, TimeProvider time, long largestCopy = 1L << 30)
{
    public async Task<string> Begin(string name, CancellationToken cancel = default) =>
        (await Ask(s3.InitiateMultipartUploadAsync(place.Bucket, Key(name), cancel), cancel)).UploadId;

    public async Task<Uri> PartUrl(string name, string upload, int part, TimeSpan lifetime) => new(await s3.GetPreSignedURLAsync(new GetPreSignedUrlRequest
    {
        BucketName = place.Bucket,
        Key = Key(name),
        Verb = HttpVerb.PUT,
        UploadId = upload,
        PartNumber = part,
        Expires = (time.GetUtcNow() + lifetime).UtcDateTime,
        Protocol = place.Endpoint?.StartsWith("http:", StringComparison.Ordinal) == true ? Protocol.HTTP : Protocol.HTTPS,
    }));

    public async Task<Blob> Complete(string name, string upload, IReadOnlyList<(int Part, string ETag)> parts, CancellationToken cancel = default)
    {
        try
        {
            await Ask(s3.CompleteMultipartUploadAsync(new CompleteMultipartUploadRequest
            {
                BucketName = place.Bucket,
                Key = Key(name),
                UploadId = upload,
                PartETags = [.. parts.Select(part => new PartETag(part.Part, part.ETag))],
            }, cancel), cancel);
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.NotFound)
        {
            // put together before, by an attempt that did not get to its end; what follows says when there is nothing
        }
        catch (TaktException e) when (e.Error == TaktError.Unavailable)
        {
            if (await Exists(name, upload, cancel)) throw; // radosgw answers 500 for an upload that is over
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.BadRequest)
        {
            throw TaktException.Invalid($"The parts can't be put together: {e.Message}");
        }
        var blob = await Hash(Key(name), cancel);
        if (await Length(keyOf(blob.Id), cancel) is null) await Copy(Key(name), keyOf(blob.Id), blob.Length, cancel);
        await Ask(s3.DeleteObjectAsync(place.Bucket, Key(name), cancel), cancel);
        return blob;
    }

    public async Task Abort(string name, string upload, CancellationToken cancel = default)
    {
        try
        {
            await Ask(s3.AbortMultipartUploadAsync(place.Bucket, Key(name), upload, cancel), cancel);
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.NotFound)
        {
            // put together already, or aborted
        }
        await Ask(s3.DeleteObjectAsync(place.Bucket, Key(name), cancel), cancel);
    }

    async Task<bool> Exists(string name, string upload, CancellationToken cancel)
    {
        try
        {
            await Ask(s3.ListPartsAsync(new ListPartsRequest { BucketName = place.Bucket, Key = Key(name), UploadId = upload, MaxParts = 1 }, cancel), cancel);
            return true;
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.NotFound)
        {
            return false;
        }
    }

    async Task<Blob> Hash(string key, CancellationToken cancel)
    {
        try
        {
            using var answer = await Ask(s3.GetObjectAsync(place.Bucket, key, cancel), cancel);
            await using var body = answer.ResponseStream;
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
            try
            {
                var length = 0L;
                for (int read; (read = await Ask(body.ReadAsync(buffer, cancel).AsTask(), cancel)) > 0; length += read) hash.AppendData(buffer, 0, read);
                if (length != answer.ContentLength) throw new TaktException(TaktError.Unavailable, $"{place} sent {length} of {answer.ContentLength} bytes; complete the upload again");
                return new Blob(Digest.FromHash(hash.GetHashAndReset()), length);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.NotFound)
        {
            throw TaktException.NotFound("The bucket has no such upload; it was aborted, or ended by a rule of the bucket. Begin it again");
        }
    }

    async Task<long?> Length(string key, CancellationToken cancel)
    {
        try
        {
            return (await Ask(s3.GetObjectMetadataAsync(place.Bucket, key, cancel), cancel)).ContentLength;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Nothing is to be seen under the new key before all of it is there.</summary>
    async Task Copy(string from, string to, long length, CancellationToken cancel)
    {
        if (length <= largestCopy)
        {
            await Ask(s3.CopyObjectAsync(place.Bucket, from, place.Bucket, to, cancel), cancel);
            return;
        }
        var upload = (await Ask(s3.InitiateMultipartUploadAsync(place.Bucket, to, cancel), cancel)).UploadId;
        try
        {
            var parts = new List<PartETag>();
            for (var at = 0L; at < length; at += largestCopy)
            {
                var part = await Ask(s3.CopyPartAsync(new CopyPartRequest
                {
                    SourceBucket = place.Bucket,
                    SourceKey = from,
                    DestinationBucket = place.Bucket,
                    DestinationKey = to,
                    UploadId = upload,
                    PartNumber = parts.Count + 1,
                    FirstByte = at,
                    LastByte = Math.Min(at + largestCopy, length) - 1,
                }, cancel), cancel);
                parts.Add(new PartETag(parts.Count + 1, part.ETag));
            }
            await Ask(s3.CompleteMultipartUploadAsync(new CompleteMultipartUploadRequest { BucketName = place.Bucket, Key = to, UploadId = upload, PartETags = parts }, cancel), cancel);
        }
        catch
        {
            try { await s3.AbortMultipartUploadAsync(place.Bucket, to, upload, CancellationToken.None); } catch (AmazonS3Exception) { }
            throw;
        }
    }

    string Key(string name) => place.Prefix + name;

    async Task<T> Ask<T>(Task<T> request, CancellationToken cancel)
    {
        try
        {
            return await request;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && e is not AmazonS3Exception { StatusCode: HttpStatusCode.NotFound or HttpStatusCode.BadRequest } && S3Faults.Explain(place, e) is { } known)
        {
            throw known;
        }
    }
}
