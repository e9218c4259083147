using System.Net;
using Amazon.Runtime;
using Amazon.S3;

namespace Takt.Storage.S3;

/// <summary>What an S3 service or the way to it complains of, in words that tell what to do.</summary>
static class S3Faults
{
    /// <param name="error">Not the caller's own cancellation: the SDK ends what takes too long by one of its own.</param>
    /// <returns>Null: a bug.</returns>
    public static TaktException? Explain(S3Address place, Exception error) => error switch
    {
        AmazonS3Exception { ErrorCode: "NoSuchBucket" } => TaktException.NotFound($"{place}: there is no such bucket; create it first"),
        AmazonS3Exception { StatusCode: HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized } e => new(TaktError.Denied,
            $"{place} refused access ({e.ErrorCode}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may read, write, list and delete there", error),
        AmazonS3Exception { ErrorCode: "QuotaExceeded" or "XMinioStorageFull" or "InsufficientStorage" } =>
            new(TaktError.Unavailable, $"{place} is full; free some space or raise its quota", error),
        AmazonServiceException { InnerException: HttpRequestException or IOException or OperationCanceledException or AmazonClientException } or HttpRequestException or IOException or TimeoutException or OperationCanceledException
            => Unreachable(place, error),
        AmazonServiceException e when (int)e.StatusCode is 429 or >= 500 =>
            new(TaktError.Unavailable, $"{place} is not ready (status {(int)e.StatusCode}, {e.ErrorCode}); try again", error),
        AmazonServiceException { StatusCode: 0 } => Unreachable(place, error),
        AmazonServiceException => null,
        AmazonClientException => new(TaktError.Denied,
            $"{place}: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws", error),
        _ => null,
    };

    static TaktException Unreachable(S3Address place, Exception error)
    {
        var cause = error;
        while (cause is not TimeoutException && cause.InnerException is { } inner) cause = inner;
        return new(TaktError.Unavailable, $"{place} can't be reached ({cause.Message}); check that it runs and that nothing blocks the way, then try again", error);
    }
}
