using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary><c>/graphql</c>, which MLflow's pages ask: each root field is a call of the REST protocol, whose answer is cut to what the query names.</summary>
sealed class GraphQlApi(IReadOnlyDictionary<string, Func<HttpContext, MlflowRequest, Task>> calls)
{
    public static void Map(IEndpointRouteBuilder routes, IReadOnlyDictionary<string, Func<HttpContext, MlflowRequest, Task>> calls)
    {
        var api = new GraphQlApi(calls);
        foreach (var path in (string[])["/graphql", "/ajax-api/2.0/graphql"])
        {
            MlflowApi.Post(routes, path, api.Answer);
            MlflowApi.Get(routes, path, api.Answer);
        }
    }

    /// <summary>A fault of the query is told in the answer, whose status is 200.</summary>
    async Task Answer(HttpContext http, MlflowRequest request)
    {
        ReadOnlyMemory<byte> answer;
        try
        {
            var query = request.TextOrNull("query") is { Length: > 0 } text ? text : throw TaktException.Invalid("Must provide query string.");
            if (query.Length > GraphQlLimits.LongestQuery) throw TaktException.Invalid($"Query is longer than {GraphQlLimits.LongestQuery} characters.");
            var document = GraphQlParser.Parse(query);
            GraphQlLimits.Check(document);
            answer = await new GraphQlCall(GraphQlSchema.Mlflow, document, Variables(request), (field, input) => Ask(http, request.Workspace, field, input)).Answer(request.TextOrNull("operationName"));
        }
        catch (TaktException e) when (e.Error is not TaktError.Unavailable)
        {
            await MlflowAnswer.Write(http, json =>
            {
                json.WriteNull("data");
                json.WriteStartArray("errors");
                json.WriteStringValue(e.Message);
                json.WriteEndArray();
            });
            return;
        }
        await MlflowAnswer.Send(http, 200, answer);
    }

    static JsonElement Variables(MlflowRequest request)
    {
        if (!request.IsQuery) return request.ObjectOrNull("variables") is null ? default : request.RawOrNull("variables")!.Value;
        if (string.IsNullOrEmpty(request.TextOrNull("variables"))) return default;
        try
        {
            return JsonDocument.Parse(request.TextOrNull("variables")!).RootElement;
        }
        catch (JsonException)
        {
            throw TaktException.Invalid("Variables are invalid JSON.");
        }
    }

    async Task<JsonElement> Ask(HttpContext http, Workspace workspace, string field, JsonElement input)
    {
        if (field is "test" or "testMutation") return JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement> { ["output"] = input });
        // the call writes its answer as ever, only not to the client
        using var body = new MemoryStream();
        var inner = new DefaultHttpContext { RequestAborted = http.RequestAborted, Response = { Body = body } };
        await calls[field](inner, MlflowRequest.Of(input, workspace));
        await inner.Response.BodyWriter.FlushAsync(http.RequestAborted);
        using var json = JsonDocument.Parse(body.ToArray());
        var answer = json.RootElement.Clone();
        return inner.Response.StatusCode == 200 ? answer : throw TaktException.Invalid(answer.TryGetProperty("message", out var message) ? message.GetString()! : $"The call failed with status {inner.Response.StatusCode}");
    }
}
