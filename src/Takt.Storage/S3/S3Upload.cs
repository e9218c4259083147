using System.Collections.Concurrent;
using System.Net;
using Amazon.S3;
using Amazon.S3.Model;

namespace Takt.Storage.S3;

/// <summary>One file on its way into a bucket: in one request when it is small, else in parts, some at a time.</summary>
/// <remarks>Every request is signed with the SHA-256 of its body, so that the service refuses one that was damaged on the way.</remarks>
static class S3Upload
{
    /// <summary>Files larger than this go in parts. 64 MiB: a broken line repeats little, and most blobs need one request.</summary>
    public const long LargestWhole = 64L << 20;

    /// <summary>S3 takes at most 10,000 parts of at least 5 MiB.</summary>
    const int MostParts = 10_000;

    const long SmallestPart = 16L << 20;
    const int PartsAtOnce = 4;

    /// <summary>Stores the file unless the key is there already.</summary>
    public static async Task Whole(IAmazonS3 s3, string bucket, string key, string file, CancellationToken cancel)
    {
        try
        {
            await s3.PutObjectAsync(Request("*"), cancel);
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict)
        {
            // another has put the same bytes meanwhile
        }
        catch (AmazonS3Exception e) when (e.StatusCode is HttpStatusCode.NotImplemented or HttpStatusCode.BadRequest)
        {
            // a service without conditional writes; the same key always gets the same bytes
            await s3.PutObjectAsync(Request(null), cancel);
        }

        PutObjectRequest Request(string? ifNoneMatch) => new() { BucketName = bucket, Key = key, FilePath = file, IfNoneMatch = ifNoneMatch, UseChunkEncoding = false };
    }

    /// <summary>Stores the file in parts. Nothing is to be seen under the key before the last one is there.</summary>
    public static async Task InParts(IAmazonS3 s3, string bucket, string key, string file, long length, CancellationToken cancel)
    {
        var upload = (await s3.InitiateMultipartUploadAsync(bucket, key, cancel)).UploadId;
        try
        {
            var size = Math.Max(SmallestPart, (length + MostParts - 1) / MostParts);
            var parts = new ConcurrentBag<PartETag>();
            await Parallel.ForEachAsync(Enumerable.Range(0, (int)((length + size - 1) / size)),
                new ParallelOptions { MaxDegreeOfParallelism = PartsAtOnce, CancellationToken = cancel }, async (index, one) =>
                {
                    var part = await s3.UploadPartAsync(new UploadPartRequest
                    {
                        BucketName = bucket,
                        Key = key,
                        UploadId = upload,
                        PartNumber = index + 1,
                        UseChunkEncoding = false,
                        FilePath = file,
                        FilePosition = index * size,
                        PartSize = Math.Min(size, length - (index * size)),
                    }, one);
                    parts.Add(new PartETag(index + 1, part.ETag));
                });
            await s3.CompleteMultipartUploadAsync(new CompleteMultipartUploadRequest
            {
                BucketName = bucket,
                Key = key,
                UploadId = upload,
                PartETags = parts.OrderBy(part => part.PartNumber).ToList(),
            }, cancel);
        }
        catch
        {
            // the bucket would keep, and charge for, the parts; should this fail too, a lifecycle rule of the bucket removes them
            try { await s3.AbortMultipartUploadAsync(bucket, key, upload, CancellationToken.None); } catch (AmazonS3Exception) { }
            throw;
        }
    }
}
