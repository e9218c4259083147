using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.Storage;

namespace Takt.Data;

/// <summary>A file behind <c>http://</c> or <c>https://</c>: asked for only when it has changed (ETag, Last-Modified), resumed where it was cut off, checked by length and checksum.</summary>
/// <remarks>RFC 9110: conditional requests (13), ranges (14). Redirects are followed by hand: to the web only, never to a file or from https to http, and with no header of the user's to another host.</remarks>
public sealed class HttpSource(TimeProvider time) : ISource, IDisposable
{
    const int Attempts = 4;
    const int MostRedirects = 5;
    static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    readonly HttpClient _http = new(new SilenceLimit(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None, // what is stored is what the checksum and the ETag are of
        ConnectTimeout = TimeSpan.FromSeconds(15),
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
    }, time)
    { LongestAsked = SilenceLimit.LongestWork }) // a table may be made when it is asked for
    { Timeout = Timeout.InfiniteTimeSpan };

    public IReadOnlyList<string> Prefixes { get; } = ["http://", "https://"];

    public IReadOnlyList<string> Settings { get; } = ["file", "sha256", "header"];

    public bool GivesRows => false;

    public async Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var shown = request.Address;
        var filled = SourceRequest.WithSecrets(shown);
        if (!Uri.TryCreate(filled, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")) throw TaktException.Invalid($"'{shown}' is no address of a file on the web");
        if (request.IsBackfill) throw TaktException.Invalid($"{shown}: a file on the web has no ranges to fetch again; leave out --from and --to");
        var name = request.Setting("file") ?? Uri.UnescapeDataString(url.Segments[^1]);
        if (name.Length is 0 or > 200 || name.IndexOfAny(['/', '\\', '\0']) >= 0 || name is "." or "..") throw TaktException.Invalid($"{shown}: the address names no file; say file: NAME.csv");
        var target = Path.Combine(request.Target, Guid.NewGuid().ToString("N"));
        var known = request.Cursor;
        Exception? last = null;
        for (var attempt = 1; ; attempt++)
        {
            var wait = TimeSpan.FromTicks(Math.Min(LongestWait.Ticks, FirstWait.Ticks << (attempt - 1)));
            try
            {
                var fetched = await Once(request, shown, url, known, target, cancel);
                if (fetched is null) return new SourceBatch(new Dictionary<string, string>(), known);
                await Verify(request, shown, target, cancel);
                return new SourceBatch(new Dictionary<string, string> { [name] = target }, fetched);
            }
            catch (Busy e)
            {
                last = e;
                if (e.After is { } after) wait = after < LongestWait ? after : LongestWait;
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException && !cancel.IsCancellationRequested)
            {
                last = e;
            }
            if (attempt == Attempts || (attempt == 2 && last is HttpRequestException && SilenceLimit.Ended(last)))
                throw new TaktException(TaktError.Unavailable, $"{shown} can't be fetched: {Secrets.Mask(Cause(last), shown)}; it was tried {attempt} times", last);
            await Task.Delay(wait, time, cancel);
        }
    }

    /// <returns>The new cursor; null: nothing has changed.</returns>
    async Task<string?> Once(SourceRequest request, string shown, Uri url, string? known, string target, CancellationToken cancel)
    {
        var begun = File.Exists(target) ? new FileInfo(target).Length : 0;
        var part = target + ".part"; // what the bytes so far are of
        var validator = begun > 0 && File.Exists(part) ? await File.ReadAllTextAsync(part, cancel) : "";
        if (validator.Length == 0) begun = 0;
        using var answer = await Follow(request, shown, url, message =>
        {
            if (begun > 0)
            {
                message.Headers.Range = new RangeHeaderValue(begun, null);
                message.Headers.TryAddWithoutValidation("If-Range", validator);
            }
            else if (known is not null && JsonNode.Parse(known) is JsonObject cursor)
            {
                if (cursor["etag"]?.GetValue<string>() is { } etag) message.Headers.TryAddWithoutValidation("If-None-Match", etag);
                if (cursor["modified"]?.GetValue<string>() is { } modified) message.Headers.TryAddWithoutValidation("If-Modified-Since", modified);
            }
        }, cancel);
        if (answer.StatusCode == HttpStatusCode.NotModified) return null;
        if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            File.Delete(target); // it has changed since and is shorter now: from the beginning
            throw new IOException("the file changed while it was fetched");
        }
        Refuse(answer, shown);
        var resumed = answer.StatusCode == HttpStatusCode.PartialContent && answer.Content.Headers.ContentRange?.From == begun && begun > 0;
        if (answer.StatusCode == HttpStatusCode.PartialContent && !resumed) throw new IOException("the server gave another part than the one asked for");
        var strong = answer.Headers.ETag is { IsWeak: false } tag ? tag.Tag : answer.Content.Headers.LastModified?.ToString("R");
        await File.WriteAllTextAsync(part, strong ?? "", cancel);
        var length = answer.Content.Headers.ContentLength;
        if (length + (resumed ? begun : 0) > request.MaxBytes) throw TooLarge(shown, request.MaxBytes);
        await Copy(request, shown, answer, target, resumed ? begun : 0, length, cancel);
        return new JsonObject { ["etag"] = answer.Headers.ETag?.ToString(), ["modified"] = answer.Content.Headers.LastModified?.ToString("R") }.ToJsonString();
    }

    static async Task Copy(SourceRequest request, string shown, HttpResponseMessage answer, string target, long begun, long? length, CancellationToken cancel)
    {
        await using var from = await answer.Content.ReadAsStreamAsync(cancel);
        await using var to = new FileStream(target, begun > 0 ? FileMode.Append : FileMode.Create, FileAccess.Write);
        var (buffer, got) = (new byte[1 << 17], 0L);
        for (int read; (read = await from.ReadAsync(buffer, cancel)) > 0;)
        {
            if (begun + (got += read) > request.MaxBytes) throw TooLarge(shown, request.MaxBytes);
            await to.WriteAsync(buffer.AsMemory(0, read), cancel);
        }
        if (length is { } promised && got != promised) throw new IOException($"the answer ended after {got:N0} of {promised:N0} bytes");
    }

    async Task<HttpResponseMessage> Follow(SourceRequest request, string shown, Uri url, Action<HttpRequestMessage> prepare, CancellationToken cancel)
    {
        var host = url.Authority;
        for (var hop = 0; ; hop++)
        {
            using var message = new HttpRequestMessage(HttpMethod.Get, url);
            message.Headers.UserAgent.ParseAdd("takt");
            if (url.Authority == host && request.Setting("header") is { } header)
            {
                var pair = SourceRequest.WithSecrets(header).Split(':', 2, StringSplitOptions.TrimEntries);
                if (pair.Length != 2 || pair[1].AsSpan().ContainsAny('\r', '\n') || !message.Headers.TryAddWithoutValidation(pair[0], pair[1])) throw TaktException.Invalid($"{shown}: header must be NAME: VALUE");
            }
            prepare(message);
            var answer = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancel);
            if ((int)answer.StatusCode is not (301 or 302 or 303 or 307 or 308)) return answer;
            using (answer)
            {
                if (hop >= MostRedirects) throw TaktException.Invalid($"{shown} redirects more than {MostRedirects} times");
                var next = answer.Headers.Location ?? throw TaktException.Invalid($"{shown} redirects, and does not say where to");
                next = new Uri(url, next);
                if (next.Scheme is not ("http" or "https")) throw TaktException.Invalid($"{shown} redirects to a {next.Scheme}: address, which is not followed");
                if (url.Scheme == "https" && next.Scheme == "http") throw TaktException.Invalid($"{shown} redirects from https to http, which is not followed");
                url = next;
            }
        }
    }

    static void Refuse(HttpResponseMessage answer, string shown)
    {
        var status = (int)answer.StatusCode;
        if (status is 200 or 206) return;
        throw status switch
        {
            404 or 410 => TaktException.NotFound($"{shown}: there is no such file (status {status})"),
            401 or 403 => new TaktException(TaktError.Denied, $"{shown} refused access (status {status}); check header: and the secret it names"),
            408 or 425 or 429 or >= 500 => new Busy($"the server answered {status}", answer.Headers.RetryAfter?.Delta),
            _ => TaktException.Invalid($"{shown} answered {status} {answer.ReasonPhrase}"),
        };
    }

    static async Task Verify(SourceRequest request, string shown, string file, CancellationToken cancel)
    {
        if (request.Setting("sha256") is not { } wanted) return;
        await using var content = File.OpenRead(file);
        var found = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancel));
        if (!string.Equals(found, wanted, StringComparison.OrdinalIgnoreCase)) throw TaktException.Invalid($"{shown}: the file's SHA-256 is {found}, not {wanted}; nothing was collected");
    }

    static TaktException TooLarge(string shown, long most) => new(TaktError.TooLarge, $"{shown} is larger than {most:N0} bytes; raise max-size if that is meant");

    static string Cause(Exception e)
    {
        while (e is not TimeoutException && e.InnerException is { } inner) e = inner;
        return e.Message;
    }

    public void Dispose() => _http.Dispose();

    /// <summary>A server that may answer later.</summary>
    sealed class Busy(string message, TimeSpan? after) : Exception(message)
    {
        public TimeSpan? After { get; } = after;
    }
}
