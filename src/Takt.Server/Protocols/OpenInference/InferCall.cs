using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Takt.Data;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// <c>POST /v2/models/NAME[/versions/V]/infer</c>, in front of routing: the usual tabular request goes from the bytes of its body to those of its answer
/// without an allocation of ours.
/// </summary>
static class InferCall
{
    public const int MostBytes = 64 << 20;

    /// <summary>Longer bodies are read into one buffer instead of being waited for in the connection's.</summary>
    const int LongestInPipe = 32 << 10;

    const string Prefix = "/v2/models/";
    const string Suffix = "/infer";

    /// <summary>Must come after whatever decides who may ask.</summary>
    public static void UseInference(this IApplicationBuilder web, TaktApp app) => web.Use(next => http =>
        HttpMethods.IsPost(http.Request.Method) && http.Request.Path.Value is { } path && path.StartsWith(Prefix, StringComparison.Ordinal) && path.EndsWith(Suffix, StringComparison.Ordinal)
            ? Answer(http, app, path) : next(http));

    static async Task Answer(HttpContext http, TaktApp app, string path)
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
                await Long(http, app, path[Prefix.Length..cut], path[(cut + Versions.Length)..end]);
                return;
            }
            if (http.Request.ContentLength is not (> 0 and <= LongestInPipe) || http.Request.Headers.ContainsKey(InferRequest.HeaderLength))
            {
                await Long(http, app, path[Prefix.Length..end], null);
                return;
            }
            var pipe = http.Request.BodyReader;
            var read = await pipe.ReadAsync(http.RequestAborted);
            while (!read.IsCompleted && read.Buffer.Length < http.Request.ContentLength)
            {
                pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                read = await pipe.ReadAsync(http.RequestAborted);
            }
            if (read.Buffer.IsSingleSegment && await Short(http, app, path.AsMemory(Prefix.Length, end - Prefix.Length), read.Buffer.First))
            {
                pipe.AdvanceTo(read.Buffer.End);
                return;
            }
            var length = (int)read.Buffer.Length;
            var body = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                read.Buffer.CopyTo(body);
                pipe.AdvanceTo(read.Buffer.End);
                await Long(http, app, path[Prefix.Length..end], null, body.AsMemory(0, length));
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(body);
            }
        }
        catch (TaktException e)
        {
            await Refuse(http, e);
        }
    }

    /// <returns>False: nothing is written, take the long way.</returns>
    static async ValueTask<bool> Short(HttpContext http, TaktApp app, ReadOnlyMemory<char> name, ReadOnlyMemory<byte> body)
    {
        var slot = app.Router.Enter(name.Span);
        var batch = RowBatch.Take();
        try
        {
            if (slot.Model?.Rows is not { } rows || !TabularRequest.TryRead(body.Span, rows, batch, out var id)) return false;
            PredictionId prediction;
            try
            {
                prediction = await app.Router.Score(slot, batch, http.RequestAborted);
            }
            catch (Exception e) when (e is not (OperationCanceledException or TaktException { Error: TaktError.Unavailable }) && app.Router.Find(slot.Revision.Endpoint)?.Champion != slot)
            {
                return false; // counted against the challenger; the long way asks again
            }
            Write(http.Response, TabularAnswer.Of(slot).Write(prediction, body.Span[id], batch.Scores));
            return true;
        }
        finally
        {
            batch.GiveBack();
            slot.Leave();
        }
    }

    static void Write(HttpResponse response, ReadOnlySpan<byte> json)
    {
        response.ContentType = "application/json";
        response.ContentLength = json.Length;
        json.CopyTo(response.BodyWriter.GetSpan(json.Length));
        response.BodyWriter.Advance(json.Length);
    }

    static async Task Long(HttpContext http, TaktApp app, string model, string? version)
    {
        _ = OpenInferenceApi.Require(app, model, version); // before a large body is read for nothing
        var (buffer, length) = await ReadBody(http.Request);
        try
        {
            await Long(http, app, model, version, buffer.AsMemory(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static async Task Long(HttpContext http, TaktApp app, string model, string? version, ReadOnlyMemory<byte> body)
    {
        if (http.Request.Headers.ContainsKey(InferRequest.HeaderLength)) throw TaktException.Invalid("binary tensors are not supported yet: send the tensors as JSON");
        // one slot for the whole request: what it is read for is what answers it
        var slot = version is null ? app.Router.Enter(model) : OpenInferenceApi.Enter(OpenInferenceApi.Require(app, model, version));
        try
        {
            var request = InferRequest.Parse(body.Span);
            Answer answer;
            try
            {
                answer = await Ask(http, app, slot, request, body);
            }
            // a challenger that can't do what the champion can has failed, not the caller: it is counted, and the champion answers
            catch (Exception e) when (version is null && e is not (OperationCanceledException or TaktException { Error: TaktError.Unavailable }) && app.Router.EnterChampionInsteadOf(slot) is { } champion)
            {
                var challenger = slot;
                slot = champion;
                try
                {
                    answer = await Ask(http, app, champion, request, body);
                    if (e is TaktException { Error: TaktError.Invalid }) await app.Router.Refused(challenger, request.EventTime, e.Message);
                }
                finally
                {
                    challenger.Leave();
                }
            }
            http.Response.ContentType = "application/json";
            await using var json = new Utf8JsonWriter(http.Response.BodyWriter);
            OpenInferenceApi.Write(json, model, request, answer);
        }
        finally
        {
            slot.Leave();
        }
    }

    static Task<Answer> Ask(HttpContext http, TaktApp app, Slot slot, InferRequest request, ReadOnlyMemory<byte> body)
    {
        if (slot.Model is null) throw TaktException.Invalid($"'{slot.Revision.Endpoint}' is an LLM deployment; ask it at /v1/chat/completions");
        var rows = request.ToTable(body.Span, slot.Model.Signature);
        request.RequireOutputs(slot.Model.Signature);
        return app.Router.Infer(slot, rows, request.EventTime, http.RequestAborted);
    }

    static async Task<(byte[] Buffer, int Length)> ReadBody(HttpRequest request)
    {
        if (request.ContentLength > MostBytes) throw new TaktException(TaktError.TooLarge, $"the request has {request.ContentLength} bytes; {MostBytes} are allowed");
        var buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? 16 * 1024) + 1);
        var length = 0;
        try
        {
            for (int read; (read = await request.Body.ReadAsync(buffer.AsMemory(length), request.HttpContext.RequestAborted)) > 0;)
            {
                length += read;
                if (length > MostBytes) throw new TaktException(TaktError.TooLarge, $"the request has over {MostBytes} bytes");
                if (length < buffer.Length) continue;
                var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
            return (buffer, length);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    /// <summary>Triton's statuses and its one-line error object.</summary>
    public static Task Refuse(HttpContext http, TaktException e)
    {
        if (http.Response.HasStarted) return Task.CompletedTask;
        http.Response.Clear();
        if (e.Error == TaktError.Unavailable) http.Response.Headers.RetryAfter = "1";
        http.Response.StatusCode = Status(e.Error);
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync(new JsonObject { ["error"] = string.Join("; ", e.Faults) }.ToJsonString());
    }

    public static int Status(TaktError error) => error switch
    {
        TaktError.NotFound => 404,
        TaktError.Unavailable => 503,
        TaktError.NotSupported => 501,
        TaktError.TooLarge => 413,
        _ => 400,
    };
}
