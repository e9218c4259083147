using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Takt.Data.Dvc;

namespace Takt.Storage.S3;

/// <summary>Objects of DVC's remotes in buckets, read only, by the settings that DVC has for them: <c>endpointurl</c>, <c>region</c>, <c>profile</c>, and keys that stand in its <c>config.local</c>.</summary>
public sealed class DvcBuckets : IDisposable
{
    readonly Dictionary<string, (S3Address Place, AmazonS3Client S3)> _open = [];

    /// <returns>Null: there is no such object.</returns>
    /// <exception cref="TaktException">Unavailable, Denied, NotFound: the bucket. Invalid: its address.</exception>
    public async Task<Stream?> Open(DvcRemote remote, string name, string? version, CancellationToken cancel)
    {
        var (place, s3) = Client(remote);
        try
        {
            var answer = await s3.GetObjectAsync(new GetObjectRequest { BucketName = place.Bucket, Key = place.Prefix + name, VersionId = version }, cancel);
            return answer.ResponseStream;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket")
        {
            return null;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && S3Faults.Explain(place, e) is { } known)
        {
            throw known;
        }
    }

    public void Dispose()
    {
        foreach (var (_, s3) in _open.Values) s3.Dispose();
    }

    (S3Address Place, AmazonS3Client S3) Client(DvcRemote remote)
    {
        lock (_open)
        {
            if (_open.TryGetValue(remote.Name, out var known)) return known;
            var place = S3Address.Parse(remote.Url) with { Endpoint = remote["endpointurl"], Region = remote["region"] };
            AWSCredentials? keys = remote["access_key_id"] is { } access && remote["secret_access_key"] is { } secret
                ? remote["session_token"] is { } token ? new SessionAWSCredentials(access, secret, token) : new BasicAWSCredentials(access, secret) : null;
            if (keys is null && remote["profile"] is { } profile && !new Amazon.Runtime.CredentialManagement.CredentialProfileStoreChain(remote["credentialpath"]).TryGetAWSCredentials(profile, out keys))
                throw new TaktException(TaktError.Denied, $"there is no profile '{profile}' in ~/.aws; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead, and take the profile out of .dvc/config.local");
            var settings = place.Settings();
            return _open[remote.Name] = (place, keys is null ? new AmazonS3Client(settings) : new AmazonS3Client(keys, settings));
        }
    }
}
