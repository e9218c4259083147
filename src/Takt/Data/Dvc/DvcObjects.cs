using System.Net;
using Takt.Storage;

namespace Takt.Data.Dvc;

/// <summary>Content by the MD5 that DVC knows it by: in DVC's caches, then in its remotes. Versions 2 (<c>ab/cdef…</c>) and 3 (<c>files/md5/ab/cdef…</c>).</summary>
/// <param name="open">Opens an object of a remote in a bucket, by its name below the remote's address and, where one is meant, its version; null: it is not there.</param>
sealed class DvcObjects(DvcConfig config, Func<DvcRemote, string, string?, CancellationToken, Task<Stream?>> open, TimeProvider time) : IDisposable
{
    readonly HttpClient _http = new(new SilenceLimit(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(15) }, time)) { Timeout = Timeout.InfiniteTimeSpan };
    readonly HashSet<string> _away = [];

    /// <summary>Remotes that could not be asked, and why; each once.</summary>
    public List<string> Away { get; } = [];

    /// <summary>Only this remote is asked; null: those that DVC would ask, then the others.</summary>
    public string? Only { get; init; }

    /// <summary>A file of a cache; it may be damaged.</summary>
    public string? Cached(string md5)
    {
        foreach (var cache in config.Caches)
            foreach (var name in Names(md5))
                if (Path.Combine(cache, name) is var file && File.Exists(file)) return file;
        return null;
    }

    /// <summary>Whether a path lies in one of DVC's caches: a link to there is DVC's own.</summary>
    public bool IsCache(string path) => config.Caches.Any(cache => path.StartsWith(cache + "/", StringComparison.Ordinal));

    /// <summary>Brings content out of a remote into a file.</summary>
    /// <param name="path">From the root of the work tree: a versioned bucket has it there.</param>
    /// <returns>The remote that had it; null: none.</returns>
    public async Task<DvcRemote?> Fetch(string md5, string path, DvcCloud? cloud, string? remote, string file, CancellationToken cancel)
    {
        foreach (var one in config.For(cloud?.Remote ?? Only ?? remote).Where(one => Only is null || one.Name == Only))
        {
            lock (_away)
                if (_away.Contains(one.Name)) continue;
            try
            {
                // of a bucket with versions, the very one; elsewhere by its MD5
                IEnumerable<(string Name, string? Version)> names = cloud is not null && cloud.Remote == one.Name ? [(path, cloud.Version), .. Names(md5).Select(name => (name, (string?)null))] : Names(md5).Select(name => (name, (string?)null));
                foreach (var (name, version) in names)
                {
                    await using var content = await Open(one, name, version, cancel);
                    if (content is null) continue;
                    await using var to = new FileStream(file, FileMode.Create, FileAccess.Write);
                    await content.CopyToAsync(to, cancel);
                    return one;
                }
            }
            catch (Exception e) when (!cancel.IsCancellationRequested && e is TaktException { Error: TaktError.Denied or TaktError.Unavailable or TaktError.NotSupported or TaktError.NotFound or TaktError.Invalid } or HttpRequestException or IOException or UnauthorizedAccessException or TaskCanceledException)
            {
                if (StorageFault(e, file) is { } full) throw full;
                lock (_away)
                    if (_away.Add(one.Name)) Away.Add($"the remote {one} can't be asked: {e.Message}");
            }
        }
        return null;
    }

    public void Dispose() => _http.Dispose();

    async Task<Stream?> Open(DvcRemote remote, string name, string? version, CancellationToken cancel)
    {
        if (remote.Url.StartsWith("s3://", StringComparison.Ordinal)) return await open(remote, name, version, cancel);
        if (remote.Url.StartsWith("http://", StringComparison.Ordinal) || remote.Url.StartsWith("https://", StringComparison.Ordinal))
        {
            var answer = await _http.GetAsync(new Uri($"{remote.Url.TrimEnd('/')}/{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}"), HttpCompletionOption.ResponseHeadersRead, cancel);
            if (answer.IsSuccessStatusCode) return await answer.Content.ReadAsStreamAsync(cancel);
            answer.Dispose();
            return answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone ? null : throw new TaktException(TaktError.Unavailable, $"it answers {(int)answer.StatusCode}");
        }
        if (remote.Url.Contains("://", StringComparison.Ordinal))
            throw new TaktException(TaktError.NotSupported, "remotes of this kind are not read here, only folders, s3:// and http(s)://; 'dvc fetch' brings its content into DVC's cache");
        if (!Directory.Exists(remote.Url)) throw TaktException.NotFound("there is no such folder");
        var file = Path.Combine(remote.Url, name);
        return File.Exists(file) ? File.OpenRead(file) : null;
    }

    static TaktException? StorageFault(Exception e, string file) => e is IOException and not HttpIOException ? Storage.StorageFaults.Of(e, file) : null;

    static string[] Names(string md5) => [$"files/md5/{md5[..2]}/{md5[2..]}", $"{md5[..2]}/{md5[2..]}"];
}
