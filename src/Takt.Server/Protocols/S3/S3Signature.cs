using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols.S3;

/// <summary>AWS Signature Version 4 as S3 has it (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html): in the header Authorization, or in the query of a presigned address.</summary>
static class S3Signature
{
    const string Algorithm = "AWS4-HMAC-SHA256", TimeFormat = "yyyyMMdd'T'HHmmss'Z'";
    static readonly TimeSpan Skew = TimeSpan.FromMinutes(15), LongestPresigned = TimeSpan.FromDays(7);

    /// <param name="path">As it stands in the request, percent-encoded.</param>
    /// <param name="query">As it stands in the request, without <c>?</c>.</param>
    /// <returns>Null: it is right; else S3's code and what is wrong.</returns>
    public static (string Code, string Message)? Fault(HttpRequest request, string path, string query, S3Keys keys, DateTimeOffset now)
    {
        var pairs = Pairs(query);
        string? Query(string name) => pairs.FirstOrDefault(pair => pair.Name == name).Value;
        var header = request.Headers.Authorization.ToString();
        string? credential, signed, signature, at, payload;
        var presigned = Query("X-Amz-Algorithm") is not null;
        if (presigned)
        {
            if (Query("X-Amz-Algorithm") != Algorithm) return ("AuthorizationQueryParametersError", $"X-Amz-Algorithm must be {Algorithm}");
            (credential, signed, signature, at, payload) = (Query("X-Amz-Credential"), Query("X-Amz-SignedHeaders"), Query("X-Amz-Signature"), Query("X-Amz-Date"), "UNSIGNED-PAYLOAD");
        }
        else
        {
            if (header.Length == 0) return ("AccessDenied", "Access Denied: sign your requests; this server has keys");
            if (!header.StartsWith(Algorithm + " ", StringComparison.Ordinal)) return ("InvalidRequest", $"The authorization mechanism you have provided is not supported. Please use {Algorithm}.");
            var parts = header[Algorithm.Length..].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(part => part.Split('=', 2)).Where(part => part.Length == 2).GroupBy(part => part[0]).ToDictionary(group => group.Key, group => group.First()[1]);
            (credential, signed, signature) = (parts.GetValueOrDefault("Credential"), parts.GetValueOrDefault("SignedHeaders"), parts.GetValueOrDefault("Signature"));
            (at, payload) = (request.Headers["x-amz-date"].ToString(), request.Headers["x-amz-content-sha256"] is [{ Length: > 0 } hash] ? hash : "UNSIGNED-PAYLOAD");
        }
        if (credential?.Split('/') is not [var access, var date, var region, "s3", "aws4_request"] || string.IsNullOrEmpty(signed) || string.IsNullOrEmpty(signature))
            return ("AuthorizationHeaderMalformed", "The authorization header is malformed; Credential (KEY/DATE/REGION/s3/aws4_request), SignedHeaders and Signature are needed.");
        if (!DateTimeOffset.TryParseExact(at, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) || !at!.StartsWith(date, StringComparison.Ordinal))
            return ("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
        if (presigned)
        {
            if (!int.TryParse(Query("X-Amz-Expires"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds > LongestPresigned.TotalSeconds) return ("AuthorizationQueryParametersError", "X-Amz-Expires must be a number of seconds, of a week at most");
            if (now > time.AddSeconds(seconds) || now < time - Skew) return ("AccessDenied", "Request has expired");
        }
        else if ((now - time).Duration() > Skew) return ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.");
        if (access != keys.AccessKey) return ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");
        var names = signed.Split(';');
        if (!names.Contains("host")) return ("AccessDenied", "There were headers present in the request which were not signed: host");

        var canonical = new StringBuilder();
        canonical.Append(request.Method).Append('\n').Append(Encoded(Decoded(path), slash: true)).Append('\n');
        canonical.AppendJoin('&', pairs.Where(pair => !presigned || pair.Name != "X-Amz-Signature").Select(pair => (Name: Encoded(pair.Name, false), Value: Encoded(pair.Value, false)))
            .OrderBy(pair => pair.Name, StringComparer.Ordinal).ThenBy(pair => pair.Value, StringComparer.Ordinal).Select(pair => $"{pair.Name}={pair.Value}")).Append('\n');
        foreach (var name in names) canonical.Append(name).Append(':').Append(name == "host" ? request.Host.Value : string.Join(',', request.Headers[name].Select(value => string.Join(' ', (value ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))))).Append('\n');
        canonical.Append('\n').Append(signed).Append('\n').Append(payload);

        var scope = $"{date}/{region}/s3/aws4_request";
        var text = $"{Algorithm}\n{at}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())))}";
        var key = Encoding.UTF8.GetBytes("AWS4" + keys.SecretKey);
        foreach (var part in (string[])[date, region, "s3", "aws4_request"]) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        var right = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(right), Encoding.UTF8.GetBytes(signature)) ? null
            : ("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.");
    }

    /// <summary>Names and values of a query, decoded.</summary>
    public static List<(string Name, string Value)> Pairs(string query) => query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2))
        .Select(pair => (Decoded(pair[0]), pair.Length == 2 ? Decoded(pair[1]) : "")).ToList();

    public static string Decoded(string text) => Uri.UnescapeDataString(text);

    /// <summary>As S3 encodes: all but letters, digits and <c>-._~</c>.</summary>
    public static string Encoded(string text, bool slash)
    {
        var encoded = new StringBuilder(text.Length + 16);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~' || (slash && b == '/')) encoded.Append((char)b);
            else encoded.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
        }
        return encoded.ToString();
    }
}
