using System.Buffers.Binary;
using System.Collections;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>A Takt server as remote, <c>http://host:port</c>; docs/formats.md tells its calls. Each may be made again, and is when the network or the server fails for a moment.</summary>
public sealed class ServerRemote : Remote
{
    const int Attempts = 5;

    readonly HttpClient _http;
    readonly Uri _root;
    readonly string _scratch;
    readonly TimeProvider _time;

    /// <param name="scratch">A folder for packs in the making.</param>
    public ServerRemote(Uri server, string scratch, TimeProvider time)
    {
        _http = new HttpClient(new SilenceLimit(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10), PooledConnectionLifetime = TimeSpan.FromMinutes(5) }, time)) { Timeout = Timeout.InfiniteTimeSpan };
        (Place, _root, _scratch, _time) = (server.ToString().TrimEnd('/'), new Uri(server.ToString().TrimEnd('/') + "/api/v1/remote/"), scratch, time);
    }

    public override string Place { get; }

    internal override string Scratch => _scratch;

    public override async Task<IReadOnlyList<RemoteRef>> Refs(string? dataset, CancellationToken cancel)
    {
        var json = await Json(HttpMethod.Get, dataset is null ? "refs" : $"refs?dataset={Uri.EscapeDataString(dataset)}", null, cancel);
        return json["refs"]!.AsArray().Select(one => new RemoteRef((string)one!["dataset"]!, (string)one["name"]!, (bool)one["tag"]!, Digest.Parse((string)one["target"]!), (long)one["step"]!)).ToList();
    }

    internal override async Task<IReadOnlyList<DatasetCommit>> History(string dataset, IReadOnlyCollection<Digest> from, Func<Digest, bool> known, CancellationToken cancel)
    {
        // few at first: most often there are few
        var all = new Dictionary<Digest, DatasetCommit>();
        var (asked, wanted, most) = (new HashSet<Digest>(), from.Where(id => !known(id)).Distinct().ToList(), 16);
        while (wanted.Count > 0)
        {
            asked.UnionWith(wanted);
            var json = await Json(HttpMethod.Post, "history", new JsonObject { ["dataset"] = dataset, ["from"] = new JsonArray([.. wanted.Select(id => (JsonNode)id.ToString())]), ["most"] = most }, cancel);
            foreach (var text in json["commits"]!.AsArray())
                if (CommitText.Parse(dataset, Encoding.UTF8.GetBytes((string)text!)) is var commit && !known(commit.Id)) all[commit.Id] = commit;
            wanted = all.Values.SelectMany(commit => commit.Parents).Where(id => !known(id) && !all.ContainsKey(id) && !asked.Contains(id)).Distinct().ToList();
            most = Math.Min(most * 4, 1000);
        }
        return ParentsFirst(from, all);
    }

    internal override async Task<HashSet<Digest>> Commits(string dataset, IReadOnlyCollection<Digest> ids, CancellationToken cancel)
    {
        var found = new HashSet<Digest>();
        foreach (var batch in ids.Chunk(MostIds))
        {
            var bits = await Bits($"commits/has?dataset={Uri.EscapeDataString(dataset)}", batch.Select(ContentId.From).ToList(), cancel);
            for (var i = 0; i < batch.Length; i++)
                if (bits[i]) found.Add(batch[i]);
        }
        return found;
    }

    internal override Task<BitArray> Has(IReadOnlyList<ContentId> ids, CancellationToken cancel) => Bits("records/has", ids, cancel);

    internal override async Task Get(IReadOnlyCollection<ContentId> ids, Action<StoredRecord> found, CancellationToken cancel)
    {
        var faults = new List<string>();
        foreach (var batch in ids.Chunk(MostIds))
        {
            var left = batch.ToHashSet();
            await Again(async () =>
            {
                using var answer = await Send(HttpMethod.Post, "records/get", () => new ByteArrayContent(Bytes([.. left])), cancel);
                await using var body = await answer.Content.ReadAsStreamAsync(cancel);
                var head = new byte[ContentId.Size + 4];
                while (true)
                {
                    await body.ReadExactlyAsync(head, cancel);
                    var (id, length) = (ContentId.Read(head), BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(ContentId.Size)));
                    if (id == default)
                    {
                        if (length > 1 << 20) throw TaktException.Invalid($"{Place} does not answer as a Takt server does");
                        var end = new byte[length];
                        await body.ReadExactlyAsync(end, cancel);
                        faults.AddRange(JsonNode.Parse(end)!.AsArray().Select(fault => $"{Place}: {fault}"));
                        return true;
                    }
                    var recordHead = new byte[PackFormat.RecordHead];
                    await body.ReadExactlyAsync(recordHead, cancel);
                    var stored = BinaryPrimitives.ReadUInt32LittleEndian(recordHead);
                    if (stored > PackFormat.LargestRecord || !left.Remove(id)) throw TaktException.Invalid($"{Place} sends what was not asked for; what came is damaged");
                    var record = new byte[PackFormat.RecordHead + stored];
                    recordHead.CopyTo(record, 0);
                    await body.ReadExactlyAsync(record.AsMemory(PackFormat.RecordHead), cancel);
                    StoredRecord right;
                    try
                    {
                        right = StoredRecord.Check(id, record, length);
                    }
                    catch (TaktException e) when (e.Error == TaktError.Invalid)
                    {
                        faults.Add($"{Place}: {e.Message}"); // it is damaged there: to ask again is of no use
                        continue;
                    }
                    found(right);
                }
            }, cancel);
        }
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, [.. faults.Take(20), .. faults.Count > 20 ? [$"and {faults.Count - 20:N0} more"] : Array.Empty<string>()]);
    }

    internal override async Task<(Stream Content, long Length)?> GetWhole(ContentId id, long from, CancellationToken cancel)
    {
        try
        {
            return await Again<(Stream, long)?>(async () =>
            {
                var answer = await Send(HttpMethod.Get, $"files/{id.Digest.Hex}", null, cancel, from);
                if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable) // all of it is here, or something else
                    using (answer) return (Stream.Null, answer.Content.Headers.ContentRange?.Length ?? 0);
                var content = await answer.Content.ReadAsStreamAsync(cancel);
                if (answer.Content.Headers.ContentRange is { From: { } start, Length: { } whole } && start == from) return (content, whole);
                if (from == 0) return (content, answer.Content.Headers.ContentLength ?? throw new TaktException(TaktError.Invalid, $"{Place} does not answer as a Takt server does"));
                using (answer) throw new TaktException(TaktError.Invalid, $"{Place} sends {id.Digest.Hex} from its beginning, though the rest was asked for: something on the way does not let ranges through");
            }, cancel);
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            return null;
        }
    }

    internal override async Task<IReadOnlyList<string>?> Lost(CancellationToken cancel)
    {
        try
        {
            return (await Json(HttpMethod.Get, "lost", null, cancel))["lost"]!.AsArray().Select(what => $"{Place}: {what}").ToList();
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            return []; // an older Takt, which does not look
        }
    }

    internal override Task Put(SealedPack pack, CancellationToken cancel) => Again(async () =>
    {
        using var answer = await Send(HttpMethod.Put, $"packs/{pack.Id.Digest.Hex}", () => new StreamContent(File.OpenRead(pack.PackFile)), cancel);
        return true;
    }, cancel);

    internal override async Task<bool> PutWhole(ContentId id, string file, CancellationToken cancel)
    {
        try
        {
            var there = await Again(async () =>
            {
                using var answer = await Send(HttpMethod.Head, $"files/{id.Digest.Hex}", null, cancel);
                return answer.Content.Headers.ContentLength;
            }, cancel);
            if (there == new FileInfo(file).Length) return false;
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            // then it is to be sent
        }
        return await Again(async () =>
        {
            using var answer = await Send(HttpMethod.Put, $"files/{id.Digest.Hex}", () => new StreamContent(File.OpenRead(file)), cancel);
            return true;
        }, cancel);
    }

    internal override async Task Move(RefMove move, CancellationToken cancel)
    {
        var body = new JsonObject
        {
            ["dataset"] = move.Dataset,
            ["name"] = move.Name,
            ["tag"] = move.IsTag,
            ["before"] = move.Before?.Target.ToString(),
            ["after"] = move.After.ToString(),
            ["commits"] = new JsonArray([.. move.Commits.Select(commit => (JsonNode)Encoding.UTF8.GetString(commit.Json()))]),
        };
        try
        {
            await Json(HttpMethod.Post, "refs/move", body, cancel);
        }
        catch (TaktException e) when (e.Error is TaktError.Conflict)
        {
            // perhaps it was our own, of an attempt whose answer was lost
            if ((await Refs(move.Dataset, cancel)).Any(one => one.Name == move.Name && one.IsTag == move.IsTag && one.Target == move.After)) return;
            throw;
        }
    }

    public override ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    async Task<BitArray> Bits(string path, IReadOnlyList<ContentId> ids, CancellationToken cancel)
    {
        if (ids.Count == 0) return new BitArray(0);
        var bytes = await Again(async () =>
        {
            using var answer = await Send(HttpMethod.Post, path, () => new ByteArrayContent(Bytes(ids)), cancel);
            return await answer.Content.ReadAsByteArrayAsync(cancel);
        }, cancel);
        if (bytes.Length != (ids.Count + 7) / 8) throw TaktException.Invalid($"{Place} does not answer as a Takt server does");
        return new BitArray(bytes) { Length = ids.Count };
    }

    static byte[] Bytes(IReadOnlyList<ContentId> ids)
    {
        var bytes = new byte[ids.Count * ContentId.Size];
        for (var i = 0; i < ids.Count; i++) ids[i].Write(bytes.AsSpan(i * ContentId.Size));
        return bytes;
    }

    async Task<JsonObject> Json(HttpMethod method, string path, JsonObject? body, CancellationToken cancel)
    {
        try
        {
            return await Again(async () =>
            {
                using var answer = await Send(method, path, body is null ? null : () => new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"), cancel);
                return (JsonObject)JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancel))!;
            }, cancel);
        }
        catch (Exception e) when (e is JsonException or InvalidCastException or NullReferenceException)
        {
            throw TaktException.Invalid($"{Place} does not answer as a Takt server does");
        }
    }

    async Task<HttpResponseMessage> Send(HttpMethod method, string path, Func<HttpContent>? content, CancellationToken cancel, long from = 0)
    {
        using var request = new HttpRequestMessage(method, new Uri(_root, path)) { Content = content?.Invoke() };
        if (from > 0) request.Headers.Range = new RangeHeaderValue(from, null);
        var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        if (answer.IsSuccessStatusCode || (from > 0 && answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)) return answer;
        using (answer) throw await Fault(answer, cancel);
    }

    async Task<TaktException> Fault(HttpResponseMessage answer, CancellationToken cancel)
    {
        var text = await answer.Content.ReadAsStringAsync(cancel);
        try
        {
            if (JsonNode.Parse(text)?["error"] is { } error && Enum.TryParse<TaktError>((string?)error["code"], out var code))
                return new TaktException(code, error["faults"] is JsonArray { Count: > 0 } faults ? faults.Select(fault => $"{Place}: {fault}").ToList() : [$"{Place}: {error["message"]}"]);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // a proxy's page
        }
        return answer.StatusCode switch
        {
            HttpStatusCode.NotFound => TaktException.NotFound($"{Place} has no {answer.RequestMessage?.RequestUri?.AbsolutePath}" + (answer.RequestMessage?.Method == HttpMethod.Head ? "" : "; is it a Takt server?")),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new TaktException(TaktError.Denied, $"{Place} answers {(int)answer.StatusCode}: it does not let you"),
            HttpStatusCode.RequestEntityTooLarge => new TaktException(TaktError.TooLarge, $"{Place} answers 413: something on the way to it does not take so large requests"),
            _ => new TaktException(TaktError.Unavailable, $"{Place} answers {(int)answer.StatusCode}; try again, what arrived is not sent again"),
        };
    }

    // the network and servers that start anew fail for a moment; every call can be made twice
    async Task<T> Again<T>(Func<Task<T>> call, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call();
            }
            catch (Exception e) when (!cancel.IsCancellationRequested && (e is HttpRequestException or IOException or TaskCanceledException || e is TaktException { Error: TaktError.Unavailable }))
            {
                // nobody listens there, or it hangs: said soon
                if (attempt == Attempts || (attempt == 2 && (SilenceLimit.Ended(e) || e is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError })))
                    throw e as TaktException ?? new TaktException(TaktError.Unavailable, $"{Place} can't be reached: {e.InnerException?.Message ?? e.Message}; try again, what arrived is not sent again", e);
                await Task.Delay(TimeSpan.FromMilliseconds(100 << attempt), _time, cancel);
            }
        }
    }
}
