using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Takt.Data;
using Takt.Deployments;
using Takt.Server.Protocols.Prometheus;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// <c>POST /v2/models/NAME[/versions/V]/infer</c>, in front of routing: the usual tabular request goes from the bytes of its body to those of its answer
/// without an allocation of ours.
/// </summary>
static class InferCall
{
    public const int MostBytes = (int)LimitSpec.MostBody;

    /// <summary>Longer bodies are read into one buffer instead of being waited for in the connection's.</summary>
    const int LongestInPipe = 32 << 10;

    /// <summary>As routing would call it, were it asked.</summary>
    const string Route = "/v2/models/{model}/infer";

    const string Prefix = "/v2/models/";
    const string Suffix = "/infer";

    static readonly ConditionalWeakTable<Slot, byte[]> FullAnswers = [];

    /// <summary>Must come after whatever decides who may ask.</summary>
    public static void UseInference(this IApplicationBuilder web, TaktApp app) => web.Use(next => http =>
        IsMine(http, out var path) ? Timed(http, app, path) : next(http));

    /// <summary>Whether it is answered, and counted, here.</summary>
    public static bool IsMine(HttpContext http, out string path)
    {
        path = http.Request.Path.Value ?? "";
        return path.EndsWith(Suffix, StringComparison.Ordinal) && path.StartsWith(Prefix, StringComparison.Ordinal) && HttpMethods.IsPost(http.Request.Method);
    }

    static Task Timed(HttpContext http, TaktApp app, string path)
    {
        var start = Stopwatch.GetTimestamp();
        if (RequestSpan.IsWanted(http, app)) return Traced(http, app, path, start);
        var answer = Answer(http, app, path);
        if (!answer.IsCompletedSuccessfully) return TimedLater(answer, http, app, path, start, null);
        Count(http, app, path, answer.GetAwaiter().GetResult(), start, http.Response.StatusCode);
        return Task.CompletedTask;
    }

    static async Task Traced(HttpContext http, TaktApp app, string path, long start)
    {
        var span = RequestSpan.Start(http, app.ServingTraces.Source, Name(path), Route);
        await TimedLater(Answer(http, app, path), http, app, path, start, span);
    }

    static async Task TimedLater(ValueTask<Revision?> answer, HttpContext http, TaktApp app, string path, long start, Activity? span)
    {
        try
        {
            var by = await answer;
            Count(http, app, path, by, start, http.Response.StatusCode);
            span.By(by);
            span.End(http.Response.StatusCode);
        }
        catch (Exception e) when (e is not OperationCanceledException && HttpDurations.IsGone(http))
        {
            app.Durations.Count(new("POST", Route, HttpDurations.ClientGone, "", 0), Stopwatch.GetElapsedTime(start)); // nobody is there to hear of it
        }
        catch (Exception e)
        {
            Count(http, app, path, null, start, e is OperationCanceledException ? HttpDurations.ClientGone : 500);
            span.End(e is OperationCanceledException ? HttpDurations.ClientGone : 500);
            throw;
        }
    }

    static void Count(HttpContext http, TaktApp app, string path, Revision? by, long start, int status)
    {
        var took = Stopwatch.GetElapsedTime(start);
        var endpoint = by?.Endpoint ?? (app.Router.Find(Name(path)) is { } route ? route.Champion.Revision.Endpoint : "");
        app.Durations.Count(new("POST", Route, status, endpoint, by?.Number ?? 0), took);
    }

    static ReadOnlySpan<char> Name(string path)
    {
        var end = Math.Max(Prefix.Length, path.Length - Suffix.Length);
        var cut = path.IndexOf('/', Prefix.Length, end - Prefix.Length);
        return path.AsSpan(Prefix.Length, (cut < 0 ? end : cut) - Prefix.Length);
    }

    /// <returns>Who answered; null: it was refused.</returns>
    static async ValueTask<Revision?> Answer(HttpContext http, TaktApp app, string path)
    {
        try
        {
            var end = path.Length - Suffix.Length;
            if (end <= Prefix.Length) throw TaktException.NotFound($"no model is named in {path}");
            var cut = path.IndexOf('/', Prefix.Length, end - Prefix.Length);
            if (cut >= 0)
            {
                const string Versions = "/versions/";
                if (string.CompareOrdinal(path, cut, Versions, 0, Versions.Length) != 0) throw TaktException.NotFound($"there is nothing at {path}");
                return await Long(http, app, path[Prefix.Length..cut], path[(cut + Versions.Length)..end]);
            }
            if (app.Router.Find(path.AsSpan(Prefix.Length, end - Prefix.Length)) is { Challenger: null, Champion: var only } && only.Turn.TurnsAway())
            {
                await EarlyRetry.Hold(http);
                Full(http.Response, only);
                return null;
            }
            if (http.Request.ContentLength is not (> 0 and <= LongestInPipe) || http.Request.Headers.ContainsKey(InferRequest.HeaderLength) || http.Request.Headers.ContainsKey(Sticky.KeyHeader) || http.Request.Headers.ContentEncoding.Count > 0 || path.AsSpan(Prefix.Length, end - Prefix.Length).Contains('@'))
            {
                return await Long(http, app, path[Prefix.Length..end], null);
            }
            var deadline = http.Admit(app, path.AsSpan(Prefix.Length, end - Prefix.Length));
            var pipe = http.Request.BodyReader;
            var read = await pipe.ReadAsync(http.RequestAborted);
            while (!read.IsCompleted && read.Buffer.Length < http.Request.ContentLength)
            {
                pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                read = await pipe.ReadAsync(http.RequestAborted);
            }
            var answered = true; // or refused: either way the body is done with
            Revision? by = null;
            try
            {
                if (read.Buffer.IsSingleSegment) by = await Short(http, app, path.AsMemory(Prefix.Length, end - Prefix.Length), read.Buffer.First, deadline);
                answered = by is not null;
            }
            finally
            {
                if (answered) pipe.AdvanceTo(read.Buffer.End);
            }
            if (answered) return by;
            var length = (int)read.Buffer.Length;
            var body = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                read.Buffer.CopyTo(body);
                pipe.AdvanceTo(read.Buffer.End);
                return await Long(http, app, path[Prefix.Length..end], null, body.AsMemory(0, length), deadline);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(body);
            }
        }
        catch (TaktException e)
        {
            await Refuse(http, e);
            return null;
        }
        catch (BadHttpRequestException e) // a body that ends too early, is too slow, or in chunks that are none
        {
            await Refuse(http, TaktException.Invalid(e.Message), e.StatusCode);
            return null;
        }
    }

    /// <returns>Null: nothing is written, take the long way.</returns>
    static async ValueTask<Revision?> Short(HttpContext http, TaktApp app, ReadOnlyMemory<char> name, ReadOnlyMemory<byte> body, Deadline deadline)
    {
        string? key = null;
        if (app.Router.KeyHeader(name.Span) is { } sticky) key = http.Request.Headers[sticky] is { Count: > 0 } values ? values[0] : null;
        else if (app.Router.KeyIsColumn(name.Span)) return null; // the rows say which revision answers: they are read first
        var slot = app.Router.Enter(name.Span, key);
        var batch = RowBatch.Take();
        try
        {
            var parse = ServingTrace.Step("parse");
            if (slot.Model?.Rows is not { } rows || !TabularRequest.TryRead(body.Span, rows, batch, out var id)) return null;
            parse?.Dispose();
            PredictionId prediction;
            try
            {
                prediction = await app.Router.Score(slot, batch, http.RequestAborted, deadline);
            }
            catch (Exception e) when (!Router.IsOfTheCaller(e) && app.Router.Find(slot.Revision.Endpoint)?.Champion != slot)
            {
                return null; // counted against the challenger; the long way asks again
            }
            Write(http.Response, TabularAnswer.Of(slot).Write(prediction, body.Span[id], batch.Scores));
            return slot.Revision;
        }
        finally
        {
            batch.GiveBack();
            slot.Leave();
        }
    }

    /// <summary>What most requests hear in an overload: so that those that are let in are not held up by the others, it costs next to nothing and nobody reads their bodies.</summary>
    static void Full(HttpResponse response, Slot slot)
    {
        response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        response.Headers.RetryAfter = "1";
        Write(response, FullAnswers.GetValue(slot, static s => System.Text.Encoding.UTF8.GetBytes($"{{\"error\":\"'{s.Revision.Endpoint}' has more requests than it can answer; try again in a second\"}}")));
    }

    static void Write(HttpResponse response, ReadOnlySpan<byte> json)
    {
        response.ContentType = "application/json";
        response.ContentLength = json.Length;
        json.CopyTo(response.BodyWriter.GetSpan(json.Length));
        response.BodyWriter.Advance(json.Length);
    }

    static async ValueTask<Revision?> Long(HttpContext http, TaktApp app, string model, string? version)
    {
        var endpoint = OpenInferenceApi.Require(app, model, version).Revision.Endpoint; // before a large body is read for nothing
        var deadline = http.Admit(app, endpoint);
        if (http.Request.Headers.ContentEncoding.Count > 0)
        {
            var body = await Unpacked(http, app.MostBody(endpoint));
            return await Long(http, app, model, version, body.GetBuffer().AsMemory(0, (int)body.Length), deadline);
        }
        var (buffer, length) = await ReadBody(http.Request, app.MostBody(endpoint));
        try
        {
            return await Long(http, app, model, version, buffer.AsMemory(0, length), deadline);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static async ValueTask<Revision?> Long(HttpContext http, TaktApp app, string model, string? version, ReadOnlyMemory<byte> body, Deadline deadline)
    {
        var header = Header(http.Request);
        InferRequest request;
        using (ServingTrace.Step("parse")) request = header == 0 ? InferRequest.OfValues() : InferRequest.Parse(body.Span, header);
        deadline = deadline.Or(Deadline.In(request.Timeout));
        var answer = await Ask(http, app, model, version, request, body, http.RequestAborted, deadline);
        var response = http.Response;
        var tensors = answer.Tensors?.Where(t => request.IsBinary(t.Name)).ToList() ?? [];
        var raw = answer.Tensors is not null ? [] : answer.Signature.Outputs.Where(f => (request.Outputs.Count == 0 || request.Outputs.Contains(f.Name)) && request.IsBinary(f.Name)).Select(f => (Column: answer.Outputs[f.Name], f.Type)).ToList();
        if (raw.Count == 0 && tensors.Count == 0)
        {
            response.ContentType = "application/json";
            await using var plain = new Utf8JsonWriter(response.BodyWriter);
            OpenInferenceApi.Write(plain, model, request, answer);
            return answer.Revision;
        }
        var head = new ArrayBufferWriter<byte>(512);
        await using (var json = new Utf8JsonWriter(head)) OpenInferenceApi.Write(json, model, request, answer);
        response.ContentType = "application/octet-stream";
        response.Headers[InferRequest.HeaderLength] = head.WrittenCount.ToString();
        response.ContentLength = head.WrittenCount + raw.Sum(r => (long)BinaryTensor.Size(r.Column, r.Type)) + tensors.Sum(t => (long)t.Data.Length);
        response.BodyWriter.Write(head.WrittenSpan);
        foreach (var (column, type) in raw) BinaryTensor.Write(response.BodyWriter, column, type);
        foreach (var tensor in tensors) response.BodyWriter.Write(tensor.Data.Span);
        return answer.Revision;
    }

    /// <summary>Answers a request that is read, whatever form it came in.</summary>
    internal static Task<Answer> Ask(HttpContext http, TaktApp app, string model, string? version, InferRequest request, ReadOnlyMemory<byte> body, CancellationToken cancel, Deadline deadline = default)
    {
        Table Rows(Slot slot)
        {
            using var step = ServingTrace.Step("parse");
            var rows = request.ToTable(body.Span, slot.Model!.Signature);
            request.RequireOutputs(slot.Model.Signature);
            return rows;
        }
        var keys = request.Keys ?? http.Keys();
        Task<Answer> Asked(Slot slot) => slot.Model is null ? throw TaktException.Invalid($"'{slot.Revision.Endpoint}' is an LLM deployment; ask it at /v1/chat/completions")
            : request.IsOf(slot.Model) ? app.Router.Infer(slot, request.ToTensors(body, slot.Model.Tensors!), request.Outputs, request.EventTime, cancel, deadline, keys)
            : app.Router.Infer(slot, Rows(slot), request.EventTime, cancel, deadline, keys: keys);
        return version is null && !model.Contains('@', StringComparison.Ordinal) ? app.Router.Ask(model, Asked, request.EventTime, http.StickyKey(app, model) ?? app.Router.KeyIn(model, Rows))
            : app.Router.AskOne(OpenInferenceApi.Enter(OpenInferenceApi.Require(app, model, version)), Asked);
    }

    /// <summary>How much of the body is JSON; -1: all; 0: nothing, it is the values alone.</summary>
    static int Header(HttpRequest request)
    {
        if (!request.Headers.TryGetValue(InferRequest.HeaderLength, out var text)) return -1;
        if (!int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var length)) throw TaktException.Invalid($"{InferRequest.HeaderLength} must be a number of bytes, not '{text}'");
        return length;
    }

    internal static async Task<MemoryStream> Unpacked(HttpContext http, long most)
    {
        try
        {
            return await PackedBody.Read(http, most, () => Admission.TooLarge(most, null));
        }
        catch (InvalidDataException e)
        {
            throw new TaktException(TaktError.Invalid, $"the body is not packed as its Content-Encoding '{http.Request.Headers.ContentEncoding}' says", e);
        }
        catch (BadHttpRequestException e) when (e.StatusCode == 415)
        {
            throw new TaktException(TaktError.NotSupported, e.Message, e);
        }
        catch (BadHttpRequestException e) when (e.StatusCode == 413)
        {
            throw Admission.TooLarge(most, null);
        }
    }

    static async Task<(byte[] Buffer, int Length)> ReadBody(HttpRequest request, long most)
    {
        if (request.ContentLength > most) throw Admission.TooLarge(most, request.ContentLength);
        const int Believed = 1 << 20; // of what a client only says that it will send
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(request.ContentLength ?? 16 * 1024, Believed) + 1);
        var length = 0;
        try
        {
            for (int read; (read = await request.Body.ReadAsync(buffer.AsMemory(length), request.HttpContext.RequestAborted)) > 0;)
            {
                length += read;
                if (length > most) throw Admission.TooLarge(most, null);
                if (length < buffer.Length) continue;
                var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
            return (buffer, length);
        }
        catch (Exception e)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (e is IOException and not BadHttpRequestException) throw new BadHttpRequestException(e.Message, e); // chunks of no size
            throw;
        }
    }

    /// <summary>Triton's statuses and its one-line error object.</summary>
    public static async Task Refuse(HttpContext http, TaktException e, int? status = null)
    {
        if (http.Response.HasStarted) return;
        http.Response.Clear();
        await http.RetryAfter(e);
        http.Response.StatusCode = status ?? Status(e.Error);
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(new JsonObject { ["error"] = string.Join("; ", e.Faults) }.ToPlainText());
    }

    public static int Status(TaktError error) => error switch
    {
        TaktError.NotFound => 404,
        TaktError.Unavailable => 503,
        TaktError.NotSupported => 501,
        TaktError.TooLarge => 413,
        TaktError.TooMany => 429,
        TaktError.TimedOut => 504,
        _ => 400,
    };
}
