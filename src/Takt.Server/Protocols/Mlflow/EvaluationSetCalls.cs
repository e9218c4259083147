using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Evaluation;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/datasets/…</c>: evaluation datasets. Tags and records travel as JSON within a JSON text.</summary>
sealed class EvaluationSetCalls(EvaluationSets sets)
{
    const int LongestName = 500;
    const int MostFound = 50_000;

    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var name = request.Text("name");
        if (name.Length > LongestName) throw TaktException.Invalid($"'name' exceeds the maximum length of {LongestName} characters");
        var experiments = request.Texts("experiment_ids");
        var tags = Tags(request).Where(t => t.Value is not null).Select(t => KeyValuePair.Create(t.Key, t.Value!)).ToList();
        await Answer(http, await sets.In(request.Workspace).Create(name, tags, experiments), experiments);
    }

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, sets.In(request.Workspace).Get(Id(http)));

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, sets.In(request.Workspace).Delete(Id(http)));

    public Task Search(HttpContext http, MlflowRequest request)
    {
        var page = MlflowPage.Of(request, 1000, MostFound);
        var found = sets.In(request.Workspace).Search(request.Texts("experiment_ids"), request.TextOrNull("filter_string"), request.Texts("order_by"), page.Offset, page.Limit + 1);
        return MlflowAnswer.Write(http, json =>
        {
            TraceJson.Array(json, "datasets", found.Take(page.Limit), set => Write(json, set, []));
            page.WriteNext(json, found.Count);
        });
    }

    public Task SetTags(HttpContext http, MlflowRequest request)
    {
        _ = request.Text("tags");
        return Done(http, sets.In(request.Workspace).SetTags(Id(http), Tags(request)));
    }

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, sets.In(request.Workspace).DeleteTag(Id(http), (string)http.Request.RouteValues["key"]!));

    public async Task Put(HttpContext http, MlflowRequest request)
    {
        using var records = Parsed(request.Text("records"), "records");
        var (inserted, updated) = await sets.In(request.Workspace).Put(Id(http), records.RootElement);
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteNumber("inserted_count", inserted);
            json.WriteNumber("updated_count", updated);
        });
    }

    public Task Records(HttpContext http, MlflowRequest request)
    {
        var limit = request.NumberOrNull("max_results") is { } given and not 0 ? given : 1000;
        if (limit is < 1 or > MostFound) throw MlflowRequest.Wrong("max_results", limit.ToString());
        var (records, next) = sets.In(request.Workspace).Records(Id(http), (int)limit, request.TextOrNull("page_token"));
        return MlflowAnswer.Write(http, json =>
        {
            json.WriteString("records", Text(records));
            if (next is not null) json.WriteString("next_page_token", next);
        });
    }

    public async Task DeleteRecords(HttpContext http, MlflowRequest request)
    {
        var deleted = await sets.In(request.Workspace).DeleteRecords(Id(http), request.Texts("dataset_record_ids"));
        await MlflowAnswer.Write(http, json => json.WriteNumber("deleted_count", deleted));
    }

    public Task Experiments(HttpContext http, MlflowRequest request)
    {
        var found = sets.In(request.Workspace).Experiments(Id(http));
        return MlflowAnswer.Write(http, json => List(json, found));
    }

    public async Task AddTo(HttpContext http, MlflowRequest request) => await Answer(http, await sets.In(request.Workspace).AddTo(Id(http), request.Texts("experiment_ids")));

    public async Task RemoveFrom(HttpContext http, MlflowRequest request) => await Answer(http, await sets.In(request.Workspace).RemoveFrom(Id(http), request.Texts("experiment_ids")));

    static List<KeyValuePair<string, string?>> Tags(MlflowRequest request)
    {
        if (request.TextOrNull("tags") is not { Length: > 0 } text) return [];
        using var json = Parsed(text, "tags");
        if (json.RootElement.ValueKind != JsonValueKind.Object) throw TaktException.Invalid("The tags must be a JSON object");
        return [.. json.RootElement.EnumerateObject().Select(t => KeyValuePair.Create(MlflowRequest.Whole("tags", () => t.Name), t.Value.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => MlflowRequest.Whole("tags", () => t.Value.GetString()!),
            JsonValueKind.True => "True", // as Python writes them
            JsonValueKind.False => "False",
            _ => JsonText.Of(t.Value),
        }))];
    }

    static JsonDocument Parsed(string text, string name)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException)
        {
            throw TaktException.Invalid($"The {name} are not JSON. See the API docs for more information about request parameters.");
        }
    }

    static string Text(List<EvaluationRecord> records)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartArray();
            foreach (var record in records)
            {
                json.WriteStartObject();
                json.WriteString("dataset_record_id", record.Id);
                json.WriteString("dataset_id", record.Set);
                Raw("inputs", record.Inputs);
                Raw("expectations", record.Expectations);
                Raw("tags", record.Tags);
                Raw("source", record.Source);
                if (record.SourceId is not null) json.WriteString("source_id", record.SourceId);
                if (record.SourceType is not null) json.WriteString("source_type", record.SourceType);
                json.WriteNumber("created_time", record.Created);
                json.WriteNumber("last_update_time", record.Updated);
                if (record.CreatedBy is not null) json.WriteString("created_by", record.CreatedBy);
                if (record.UpdatedBy is not null) json.WriteString("last_updated_by", record.UpdatedBy);
                Raw("outputs", record.Outputs);
                json.WriteEndObject();
            }
            json.WriteEndArray();

            void Raw(string name, string? value)
            {
                if (value is null) return;
                json.WritePropertyName(name);
                json.WriteRawValue(value, skipInputValidation: true);
            }
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    static string Id(HttpContext http) => (string)http.Request.RouteValues["id"]!;

    static async Task Done(HttpContext http, Task work)
    {
        await work;
        await MlflowAnswer.Empty(http);
    }

    static Task Answer(HttpContext http, EvaluationSet set, List<string>? experiments = null) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("dataset");
        Write(json, set, experiments ?? []);
        json.WriteEndObject();
    });

    static void Write(Utf8JsonWriter json, EvaluationSet set, List<string> experiments)
    {
        json.WriteString("dataset_id", set.Id);
        json.WriteString("name", set.Name);
        json.WriteString("tags", JsonText.Of(set.Tags));
        if (set.Schema is not null) json.WriteString("schema", set.Schema);
        if (set.Profile is not null) json.WriteString("profile", set.Profile);
        json.WriteString("digest", set.Digest);
        json.WriteNumber("created_time", set.Created);
        json.WriteNumber("last_update_time", set.Updated);
        if (set.CreatedBy is not null) json.WriteString("created_by", set.CreatedBy);
        if (set.UpdatedBy is not null) json.WriteString("last_updated_by", set.UpdatedBy);
        if (experiments.Count > 0) List(json, experiments);
    }

    static void List(Utf8JsonWriter json, List<string> experiments)
    {
        if (experiments.Count == 0) return;
        json.WriteStartArray("experiment_ids");
        foreach (var experiment in experiments) json.WriteStringValue(experiment);
        json.WriteEndArray();
    }
}
