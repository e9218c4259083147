using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Takt.Data;

namespace Takt.Storage.S3;

/// <summary>Objects below <c>s3://bucket/prefix?endpoint=…</c>: those that are new or changed by LastModified and ETag since the last collect.</summary>
/// <remarks>Keys as everywhere: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or where else the AWS SDK looks.</remarks>
public sealed class S3Source : ISource
{
    /// <summary>Objects of one second before the newest may still appear: S3's times have no more than seconds, and clocks of gateways differ.</summary>
    static readonly TimeSpan Settling = TimeSpan.FromMinutes(15);

    const int MostObjects = 1_000_000;

    readonly AWSCredentials? _keys;

    public S3Source() { }

    internal S3Source(AWSCredentials keys) => _keys = keys;

    public IReadOnlyList<string> Prefixes { get; } = ["s3://"];

    public IReadOnlyList<string> Settings { get; } = ["select"];

    public bool GivesRows => false;

    public async Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var place = S3Address.Parse(SourceRequest.WithSecrets(request.Address));
        try
        {
            using var s3 = _keys is null ? new AmazonS3Client(place.Settings()) : new AmazonS3Client(_keys, place.Settings());
            return await Fetch(s3, place, request, cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && S3Faults.Explain(place, e) is { } known)
        {
            throw known;
        }
    }

    static async Task<SourceBatch> Fetch(AmazonS3Client s3, S3Address place, SourceRequest request, CancellationToken cancel)
    {
        var (since, seen) = Read(request.IsBackfill ? null : request.Cursor);
        var from = since is { } newest ? newest - Settling - request.Late : DateTime.MinValue;
        var (files, wanted, bytes) = (new Dictionary<string, string>(StringComparer.Ordinal), new List<S3Object>(), 0L);
        var now = new Dictionary<string, string>(StringComparer.Ordinal);
        var last = since ?? DateTime.MinValue;
        var list = new ListObjectsV2Request { BucketName = place.Bucket, Prefix = place.Prefix };
        for (var count = 0; ;)
        {
            var page = await s3.ListObjectsV2Async(list, cancel);
            foreach (var item in page.S3Objects ?? [])
            {
                if (++count > MostObjects) throw new TaktException(TaktError.TooLarge, $"{place} holds more than {MostObjects:N0} objects; name a longer prefix");
                var time = item.LastModified?.ToUniversalTime() ?? DateTime.MinValue;
                var path = item.Key[place.Prefix.Length..];
                if (path.Length == 0 || path.EndsWith('/') || (request.Setting("select") is { } glob && !Glob.Matches(glob, path))) continue;
                if (request.IsBackfill && !FileSource.Covers(request.Range, time)) continue;
                if (time > last) last = time;
                if (time < from) continue;
                now[path] = item.ETag ?? "";
                if (!seen.TryGetValue(path, out var tag) || tag != item.ETag) wanted.Add(item);
            }
            if (page.IsTruncated != true) break;
            list.ContinuationToken = page.NextContinuationToken;
        }
        foreach (var item in wanted)
        {
            var path = item.Key[place.Prefix.Length..];
            if ((bytes += item.Size ?? 0) > request.MaxBytes) throw new TaktException(TaktError.TooLarge, $"{place} has more than {request.MaxBytes:N0} bytes that are new; raise max-size if that is meant");
            if (path.StartsWith('/') || path.Split('/').Any(part => part is "" or "." or "..")) throw TaktException.Invalid($"{place}: the object '{item.Key}' has no name that a file could have");
            var file = Path.Combine(request.Target, Guid.NewGuid().ToString("N"));
            // of the very version that was listed: one that is overwritten meanwhile is taken the next time
            using var answer = await s3.GetObjectAsync(new GetObjectRequest { BucketName = place.Bucket, Key = item.Key, EtagToMatch = item.ETag }, cancel);
            await using (var to = File.Create(file)) await answer.ResponseStream.CopyToAsync(to, cancel);
            if (new FileInfo(file).Length != item.Size) throw new TaktException(TaktError.Unavailable, $"{place}: '{item.Key}' ended after {new FileInfo(file).Length:N0} of {item.Size:N0} bytes; nothing was collected, try again");
            files[path] = file;
        }
        return new SourceBatch(files, last == DateTime.MinValue ? request.Cursor : Write(last, now));
    }

    /// <summary>The newest time, and which objects near it are known: what an object older than that changes to gets a newer time.</summary>
    static string Write(DateTime last, Dictionary<string, string> now)
    {
        var seen = new JsonObject();
        foreach (var (path, tag) in now.OrderBy(n => n.Key, StringComparer.Ordinal)) seen[path] = tag;
        return new JsonObject { ["newest"] = last.ToString("O"), ["seen"] = seen }.ToJsonString();
    }

    static (DateTime? Since, Dictionary<string, string> Seen) Read(string? cursor)
    {
        if (cursor is null || JsonNode.Parse(cursor) is not JsonObject known) return (null, []);
        return (DateTime.Parse(known["newest"]!.GetValue<string>(), null, System.Globalization.DateTimeStyles.RoundtripKind),
            known["seen"]?.AsObject().ToDictionary(s => s.Key, s => s.Value!.GetValue<string>(), StringComparer.Ordinal) ?? []);
    }
}
