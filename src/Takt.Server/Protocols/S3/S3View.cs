using System.Globalization;
using System.Net;
using System.Text;
using System.Xml;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;
using Takt.Data;

namespace Takt.Server.Protocols.S3;

/// <summary>
/// Every version of every dataset as objects, for S3 clients that address by path, read-only: the endpoint is <c>http://host:port/s3</c>, a dataset is a bucket, a key is
/// <c>REF/path</c>, where REF is a branch, a tag, <c>v12</c> or <c>sha256:1f0c</c>. Branches and tags are listed, the others are there when they are named.
/// </summary>
public static class S3View
{
    const string Root = "/s3", Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
    const int MostKeys = 1000;

    static readonly FileExtensionContentTypeProvider s_types = new();

    /// <summary>Where this listing goes on: behind a key, or behind all that begins with it; and the version it began with, whatever the branch points to by now.</summary>
    sealed record Place(string After, bool All, string? Commit)
    {
        public string Token => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{(All ? '+' : '-')}{Commit}\n{After}"));

        public static Place? Parse(string token)
        {
            var bytes = new byte[token.Length + 4];
            if (!Convert.TryFromBase64String(token, bytes, out var length) || length == 0) return null;
            var text = Encoding.UTF8.GetString(bytes, 0, length);
            return text[1..].Split('\n', 2) is [var commit, var after] && text[0] is '+' or '-' ? new(after, text[0] == '+', commit.Length == 0 ? null : commit) : null;
        }
    }

    sealed record Item(string Key, TreeFile? File, DatasetCommit? Commit);

    public static void MapS3View(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var files = new DatasetFiles(app.Blobs);
        routes.Map(Root + "/{**path}", http => Answer(http, app, files));
    }

    static async Task Answer(HttpContext http, TaktApp app, DatasetFiles files)
    {
        // keys may hold what routing would change: the request's own text counts
        var target = http.Features.Get<IHttpRequestFeature>()!.RawTarget;
        if (Uri.TryCreate(target, UriKind.Absolute, out var absolute) && absolute.Scheme is "http" or "https") target = absolute.PathAndQuery;
        var (path, query) = target.IndexOf('?') is >= 0 and var mark ? (target[..mark], target[(mark + 1)..]) : (target, "");
        try
        {
            if (app.S3Keys is { } keys)
            {
                if (S3Signature.Fault(http.Request, path, query, keys, app.Time.GetUtcNow()) is var (code, message))
                {
                    await Error(http, code is "AuthorizationHeaderMalformed" or "AuthorizationQueryParametersError" or "InvalidRequest" ? 400 : 403, code, message);
                    return;
                }
            }
            else if (http.Connection.RemoteIpAddress is { } caller && !IPAddress.IsLoopback(caller))
            {
                await Error(http, 403, "AccessDenied", "Access Denied: without keys (TAKT__S3_ACCESS_KEY, TAKT__S3_SECRET_KEY) this view is for the server's own machine");
                return;
            }
            var rest = path.TrimStart('/')[(Root.Length - 1)..].TrimStart('/');
            var (bucket, key) = rest.IndexOf('/') is >= 0 and var slash ? (S3Signature.Decoded(rest[..slash]), S3Signature.Decoded(rest[(slash + 1)..])) : (S3Signature.Decoded(rest), "");
            var parameters = S3Signature.Pairs(query).GroupBy(pair => pair.Name).ToDictionary(group => group.Key, group => group.First().Value);
            var read = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);
            if (!read) await Error(http, 405, "MethodNotAllowed", "The specified method is not allowed against this resource: the view is read-only; 'takt data push' brings data in.");
            else if (bucket.Length == 0) await Buckets(http, app);
            else if (app.Datasets.List().FirstOrDefault(one => one.Name == bucket) is not { } dataset) await Error(http, 404, "NoSuchBucket", $"The specified bucket does not exist: there is no dataset '{bucket}'");
            else if (key.Length > 0) await Object(http, app, files, bucket, key, parameters);
            else if (HttpMethods.IsHead(http.Request.Method)) http.Response.Headers["x-amz-bucket-region"] = "us-east-1";
            else if (parameters.ContainsKey("location")) await Xml(http, 200, xml => xml.WriteElementString("LocationConstraint", Namespace, ""));
            else if (parameters.ContainsKey("versioning")) await Xml(http, 200, xml => xml.WriteElementString("VersioningConfiguration", Namespace, ""));
            else if (parameters.Keys.FirstOrDefault(name => name is "uploads" or "versions" or "acl" or "policy" or "lifecycle" or "cors" or "tagging" or "encryption" or "object-lock" or "notification" or "replication" or "website" or "logging") is { } other)
                await Error(http, 501, "NotImplemented", $"A header or parameter you provided implies functionality that is not implemented: {other}");
            else await List(http, app, files, dataset, parameters);
        }
        catch (TaktException e) when (!http.Response.HasStarted)
        {
            var (status, code) = e.Error switch { TaktError.NotFound => (404, "NoSuchKey"), TaktError.Unavailable => (503, "SlowDown"), TaktError.Denied => (403, "AccessDenied"), TaktError.Invalid => (400, "InvalidArgument"), _ => (500, "InternalError") };
            await Error(http, status, code, e.Message);
        }
    }

    static Task Buckets(HttpContext http, TaktApp app) => Xml(http, 200, xml =>
    {
        xml.WriteStartElement("ListAllMyBucketsResult", Namespace);
        xml.WriteStartElement("Owner");
        xml.WriteElementString("ID", "takt");
        xml.WriteElementString("DisplayName", "takt");
        xml.WriteEndElement();
        xml.WriteStartElement("Buckets");
        foreach (var dataset in app.Datasets.List())
        {
            xml.WriteStartElement("Bucket");
            xml.WriteElementString("Name", dataset.Name);
            xml.WriteElementString("CreationDate", Time(app.Datasets.All(dataset.Name)[0].Time));
            xml.WriteEndElement();
        }
        xml.WriteEndElement();
        xml.WriteEndElement();
    });

    static async Task Object(HttpContext http, TaktApp app, DatasetFiles files, string bucket, string key, Dictionary<string, string> parameters)
    {
        if (parameters.Keys.FirstOrDefault(name => name is "acl" or "tagging" or "attributes" or "torrent" or "retention" or "legal-hold" or "uploadId") is { } other)
        {
            await Error(http, 501, "NotImplemented", $"A header or parameter you provided implies functionality that is not implemented: {other}");
            return;
        }
        var slash = key.IndexOf('/');
        var file = slash < 0 || Commit(app, bucket, key[..slash]) is not { } commit ? null : await files.Find(commit.Tree, key[(slash + 1)..], http.RequestAborted);
        if (file is null)
        {
            await Error(http, 404, "NoSuchKey", "The specified key does not exist.", key);
            return;
        }
        commit = Commit(app, bucket, key[..slash])!;
        var content = await app.Blobs.Open(file.Digest, http.RequestAborted);
        // of the whole object only: clients compare what they got with it
        if (http.Request.Headers["x-amz-checksum-mode"] == "ENABLED" && !http.Request.Headers.ContainsKey(HeaderNames.Range))
        {
            http.Response.Headers["x-amz-checksum-sha256"] = Convert.ToBase64String(Convert.FromHexString(file.Digest.Hex));
            http.Response.Headers["x-amz-checksum-type"] = "FULL_OBJECT";
        }
        http.Response.Headers["x-amz-meta-takt-commit"] = commit.Id.ToString();
        http.Response.Headers.XContentTypeOptions = "nosniff";
        var type = s_types.TryGetContentType(file.Path, out var known) ? known : "binary/octet-stream";
        await Results.Stream(content, type, lastModified: commit.Time, entityTag: new EntityTagHeaderValue(ETag(file)), enableRangeProcessing: true).ExecuteAsync(http);
    }

    static async Task List(HttpContext http, TaktApp app, DatasetFiles files, DatasetSummary dataset, Dictionary<string, string> parameters)
    {
        string? Given(string name) => parameters.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
        var second = Given("list-type") == "2";
        var (prefix, delimiter) = (Given("prefix") ?? "", Given("delimiter"));
        if (!int.TryParse(Given("max-keys") ?? "1000", NumberStyles.None, CultureInfo.InvariantCulture, out var most))
        {
            await Error(http, 400, "InvalidArgument", "Provided max-keys not an integer or within integer range");
            return;
        }
        var encode = Given("encoding-type") == "url";
        most = Math.Min(most, MostKeys);
        var place = new Place("", false, null);
        if (second && Given("continuation-token") is { } token)
        {
            if (Place.Parse(token) is not { } parsed)
            {
                await Error(http, 400, "InvalidArgument", "The continuation token provided is incorrect");
                return;
            }
            place = parsed;
        }
        else if (Given(second ? "start-after" : "marker") is { } after) place = new(after, !second && delimiter is not null && after.EndsWith(delimiter, StringComparison.Ordinal), null);

        var (items, more) = await Items(app, files, dataset, prefix, delimiter, place, most, http.RequestAborted);
        // a branch may move while its pages are read: the next one is of the same version
        var pinned = prefix.Contains('/') ? items.Select(item => item.Commit?.Id.ToString()).FirstOrDefault(id => id is not null) ?? place.Commit : null;
        await Xml(http, 200, xml =>
        {
            string Key(string key) => encode ? S3Signature.Encoded(key, slash: true) : key;
            xml.WriteStartElement("ListBucketResult", Namespace);
            xml.WriteElementString("Name", dataset.Name);
            xml.WriteElementString("Prefix", Key(prefix));
            if (delimiter is not null) xml.WriteElementString("Delimiter", Key(delimiter));
            xml.WriteElementString("MaxKeys", most.ToString(CultureInfo.InvariantCulture));
            if (encode) xml.WriteElementString("EncodingType", "url");
            if (second)
            {
                xml.WriteElementString("KeyCount", items.Count.ToString(CultureInfo.InvariantCulture));
                if (Given("continuation-token") is { } given) xml.WriteElementString("ContinuationToken", given);
                if (Given("start-after") is { } start) xml.WriteElementString("StartAfter", Key(start));
                if (more) xml.WriteElementString("NextContinuationToken", new Place(items[^1].Key, items[^1].File is null, pinned).Token);
            }
            else
            {
                xml.WriteElementString("Marker", Key(Given("marker") ?? ""));
                if (more) xml.WriteElementString("NextMarker", Key(items[^1].Key));
            }
            xml.WriteElementString("IsTruncated", more ? "true" : "false");
            foreach (var item in items)
            {
                if (item.File is not { } file) continue;
                xml.WriteStartElement("Contents");
                xml.WriteElementString("Key", Key(item.Key));
                xml.WriteElementString("LastModified", Time(item.Commit!.Time));
                xml.WriteElementString("ETag", ETag(file));
                xml.WriteElementString("Size", file.Size.ToString(CultureInfo.InvariantCulture));
                xml.WriteElementString("StorageClass", "STANDARD");
                xml.WriteEndElement();
            }
            foreach (var item in items)
            {
                if (item.File is not null) continue;
                xml.WriteStartElement("CommonPrefixes");
                xml.WriteElementString("Prefix", Key(item.Key));
                xml.WriteEndElement();
            }
            xml.WriteEndElement();
        });
    }

    static async Task<(List<Item> Items, bool More)> Items(TaktApp app, DatasetFiles files, DatasetSummary dataset, string prefix, string? delimiter, Place place, int most, CancellationToken cancel)
    {
        var items = new List<Item>();
        if (most == 0) return (items, false);
        var slash = prefix.IndexOf('/');
        // what comes first in a key is the ref; in the order of the keys
        var refs = slash >= 0 ? [prefix[..slash]] : dataset.Refs.Select(one => one.Name).Where(name => (name + "/").StartsWith(prefix, StringComparison.Ordinal)).OrderBy(name => name + "/", StringComparer.Ordinal).ToList();
        foreach (var name in refs)
        {
            var start = name + "/";
            var (after, all) = ("", false);
            if (place.After.Length > 0)
            {
                if (place.All && start.StartsWith(place.After, StringComparison.Ordinal)) continue;
                if (place.After.StartsWith(start, StringComparison.Ordinal)) (after, all) = (place.After[start.Length..], place.All);
                else if (string.CompareOrdinal(start, place.After) < 0) continue;
            }
            if (Commit(app, dataset.Name, slash >= 0 ? place.Commit ?? name : name) is not { } commit) continue;
            if (slash < 0 && delimiter is not null && start.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal) is >= 0 and var cut)
            {
                var group = start[..(cut + delimiter.Length)];
                if (items.Count > 0 && items[^1].Key == group) continue;
                if (items.Count == most) return (items, true);
                items.Add(new(group, null, null));
                continue;
            }
            var page = await files.Page(commit.Tree, slash >= 0 ? prefix[start.Length..] : "", after, all, delimiter, most - items.Count, cancel);
            items.AddRange(page.Files.Select(file => new Item(start + file.Path, file, commit)).Concat(page.Groups.Select(group => new Item(start + group, null, commit)))
                .OrderBy(item => item.Key, Comparer<string>.Create((a, b) => Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b)))));
            if (page.More) return (items, true);
        }
        return (items, false);
    }

    static DatasetCommit? Commit(TaktApp app, string dataset, string name)
    {
        try
        {
            return app.Datasets.Show($"{dataset}@{name}");
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
        {
            return null; // such a key is not there
        }
    }

    // clients take hex digits alone for an MD5, and compare it; one with a dash is like those of uploads in parts
    static string ETag(TreeFile file) => $"\"sha256-{file.Digest.Hex}\"";

    static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    static Task Error(HttpContext http, int status, string code, string message, string? key = null) => Xml(http, status, xml =>
    {
        xml.WriteStartElement("Error");
        xml.WriteElementString("Code", code);
        xml.WriteElementString("Message", message);
        if (key is not null) xml.WriteElementString("Key", key);
        xml.WriteElementString("RequestId", http.TraceIdentifier);
        xml.WriteEndElement();
    });

    static async Task Xml(HttpContext http, int status, Action<XmlWriter> write)
    {
        using var body = new MemoryStream();
        // names may hold characters that XML 1.0 has not; S3 writes them as references, too
        using (var xml = XmlWriter.Create(body, new XmlWriterSettings { Encoding = new UTF8Encoding(false), CheckCharacters = false, NewLineHandling = NewLineHandling.Entitize })) write(xml);
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/xml";
        http.Response.Headers["x-amz-request-id"] = http.TraceIdentifier;
        http.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(http.Request.Method)) await http.Response.Body.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length), http.RequestAborted);
    }
}
