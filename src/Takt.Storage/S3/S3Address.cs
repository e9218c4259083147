using Amazon;
using Amazon.Runtime;
using Amazon.S3;

namespace Takt.Storage.S3;

/// <summary>Where blobs are: <c>s3://bucket/prefix?endpoint=https://s3.example:9000&amp;region=eu-central-1</c>. Without an endpoint it is Amazon's.</summary>
/// <param name="Prefix">Empty, or a folder within the bucket that ends with <c>/</c>.</param>
public sealed record S3Address(string Bucket, string Prefix, string? Endpoint, string? Region)
{
    /// <summary>For AWS_REGION-less services of one's own, whose signatures still name a region.</summary>
    const string AnyRegion = "us-east-1";

    public static bool IsUrl(string address) => address.StartsWith("s3://", StringComparison.Ordinal);

    /// <exception cref="TaktException">Invalid; the message repeats no secret.</exception>
    public static S3Address Parse(string address)
    {
        if (!IsUrl(address) || !Uri.TryCreate(address, UriKind.Absolute, out var url) || url.Host.Length == 0)
            throw TaktException.Invalid("the blobs' address can't be read; it looks like s3://bucket/prefix?endpoint=https://s3.example&region=eu-central-1");
        if (url.UserInfo.Length > 0)
            throw TaktException.Invalid("keys don't belong into the blobs' address, where lists of processes show them; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        string? endpoint = null, region = null;
        foreach (var (name, value) in UrlQuery.Of(url))
        {
            if (name == "endpoint" && Uri.TryCreate(value, UriKind.Absolute, out var service) && service.Scheme is "http" or "https") endpoint = value;
            else if (name == "region") region = value;
            else throw TaktException.Invalid($"'{name}' is not a setting of the blobs' address, or has a wrong value; there are: endpoint (http:// or https://), region");
        }
        var prefix = Uri.UnescapeDataString(url.AbsolutePath).Trim('/');
        return new(url.Host, prefix.Length == 0 ? "" : prefix + "/", endpoint, region);
    }

    public override string ToString() => $"s3://{Bucket}/{Prefix.TrimEnd('/')}{(Endpoint is null ? "" : $"?endpoint={Endpoint}")}";

    internal AmazonS3Config Settings(TimeProvider? time = null)
    {
        var settings = new AmazonS3Config
        {
            // many S3 services know neither the newer checksums nor chunked signatures; a blob's id is a stronger check than both
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            HttpClientFactory = S3Connections.By(time ?? TimeProvider.System),
        };
        if (Endpoint is not null)
        {
            settings.ServiceURL = Endpoint;
            settings.ForcePathStyle = true;
            settings.AuthenticationRegion = Region ?? AnyRegion;
        }
        else if (Region is not null) settings.RegionEndpoint = RegionEndpoint.GetBySystemName(Region);
        return settings;
    }
}
