using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/runs/…</c>, but for what is about metrics.</summary>
sealed class RunCalls(RunLog runs, RunSearch search)
{
    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var experiment = request.TextOrNull("experiment_id") is { Length: > 0 } ? request.Experiment() : 0;
        var tags = request.Objects("tags").ConvertAll(tag =>
        {
            var key = tag.Text("key");
            MlflowLimits.Key(key, "key");
            return KeyValuePair.Create(key, MlflowLimits.Tag(tag.TextOrNull("value") ?? ""));
        });
        await Answer(http, await runs.In(request.Workspace).Create(experiment, request.TextOrNull("user_id"), request.TextOrNull("run_name"), request.NumberOrNull("start_time"), tags), created: true);
    }

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, runs.In(request.Workspace).Get(request.Run()));

    public async Task Update(HttpContext http, MlflowRequest request)
    {
        var run = await runs.In(request.Workspace).Update(request.Run(), Status(request), request.NumberOrNull("end_time"), request.TextOrNull("run_name"));
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("run_info");
            RunJson.Info(json, run);
            json.WriteEndObject();
        });
    }

    public Task LogParameter(HttpContext http, MlflowRequest request) => Add(http, request, request.Run(), new LogEntry([], [Param(request, "")], []));

    public Task SetTag(HttpContext http, MlflowRequest request) => Add(http, request, request.Run(), new LogEntry([], [], [Tag(request, "")]));

    public async Task LogModel(HttpContext http, MlflowRequest request)
    {
        await runs.In(request.Workspace).AddModelHistory(request.Run(), ModelHistory(request.Text("model_json")));
        await MlflowAnswer.Empty(http);
    }

    public async Task LogInputs(HttpContext http, MlflowRequest request)
    {
        var run = MlflowLimits.RunId(request.Run());
        var inputs = request.Objects("datasets").ConvertAll(input =>
        {
            var dataset = input.ObjectOrNull("dataset") ?? throw TaktException.Invalid("Dataset cannot be None");
            var tags = input.Pairs("tags");
            foreach (var (key, value) in tags)
            {
                MlflowLimits.Length(key, "key", 255);
                MlflowLimits.Length(value, "value", 500);
            }
            var described = new RunInput(dataset.Text("name"), dataset.Text("digest"), dataset.TextOrNull("source_type") ?? "", dataset.TextOrNull("source") ?? "",
                dataset.TextOrNull("schema"), dataset.TextOrNull("profile"), tags.DistinctBy(t => t.Key).ToDictionary());
            MlflowLimits.Length(described.Name, "name", 500);
            MlflowLimits.Length(described.Digest, "digest", 36);
            MlflowLimits.Length(described.Source, "source", 65_535);
            MlflowLimits.Length(described.Schema, "schema", 1_048_575);
            MlflowLimits.Length(described.Profile, "profile", 16_777_215);
            return described;
        });
        await runs.In(request.Workspace).AddInputs(run, inputs, request.Objects("models").ConvertAll(m => m.Text("model_id")));
        await MlflowAnswer.Empty(http);
    }

    public async Task LogOutputs(HttpContext http, MlflowRequest request)
    {
        await runs.In(request.Workspace).AddOutputs(request.Run(), request.GivenObjects("models").ConvertAll(m => new RunOutput(m.Text("model_id"), m.NumberOrNull("step") ?? 0)));
        await MlflowAnswer.Empty(http);
    }

    public async Task DeleteTag(HttpContext http, MlflowRequest request)
    {
        await runs.In(request.Workspace).DeleteTag(request.Run(), request.Text("key"));
        await MlflowAnswer.Empty(http);
    }

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        await runs.In(request.Workspace).SetDeleted(request.Run(), true);
        await MlflowAnswer.Empty(http);
    }

    public async Task Restore(HttpContext http, MlflowRequest request)
    {
        await runs.In(request.Workspace).SetDeleted(request.Run(), false);
        await MlflowAnswer.Empty(http);
    }

    public Task Search(HttpContext http, MlflowRequest request)
    {
        if (request.NumberOrNull("max_results") is > 50_000 and var most)
            throw TaktException.Invalid($"Invalid value {most} for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters.");
        var found = search.In(request.Workspace).Find(ExperimentCalls.Numbers(request.Texts("experiment_ids")), request.TextOrNull("filter"), request.Texts("order_by"),
            MlflowPage.Deleted(request.IdOrNull("run_view_type")), MlflowPage.Length(request, 1000, 50_000), request.TextOrNull("page_token"));
        return MlflowAnswer.Page(http, "runs", found, (json, run) => RunJson.Write(json, run));
    }

    public static KeyValuePair<string, string> Param(MlflowRequest request, string at)
    {
        var key = Key(request, at);
        MlflowLimits.Key(key, "Param key");
        return new(key, MlflowLimits.Param(request.TextOrNull("value") ?? ""));
    }

    public static KeyValuePair<string, string> Tag(MlflowRequest request, string at)
    {
        var key = Key(request, at);
        MlflowLimits.Key(key, at + "key");
        return new(key, MlflowLimits.Tag(request.TextOrNull("value") ?? ""));
    }

    // an absent key is told by its place
    static string Key(MlflowRequest request, string at)
    {
        var key = request.TextOrNull("key") is { Length: > 0 } text ? text : throw MlflowRequest.Missing(at + "key");
        MlflowLimits.Name(key, at + "key");
        return key;
    }

    /// <summary>By name, or by number in the order of the protocol.</summary>
    static RunStatus? Status(MlflowRequest request)
    {
        if (request.IdOrNull("status") is not { Length: > 0 } text) return null;
        if (int.TryParse(text, out var number) && number >= 1 && number <= Enum.GetValues<RunStatus>().Length) return Enum.GetValues<RunStatus>()[number - 1];
        return Enum.TryParse<RunStatus>(text, out var known) && Enum.IsDefined(known) && !char.IsDigit(text[0]) ? known : throw MlflowRequest.Wrong("status", MlflowLimits.Quoted(text));
    }

    /// <summary>What MLflow keeps of a model's description.</summary>
    static string ModelHistory(string model)
    {
        try
        {
            using var json = JsonDocument.Parse(model);
            if (json.RootElement.ValueKind != JsonValueKind.Object) throw TaktException.Invalid("Model json is no object");
            var missing = ((string[])["artifact_path", "flavors", "utc_time_created", "run_id"]).Where(name => !json.RootElement.TryGetProperty(name, out _)).ToList();
            if (missing.Count > 0) throw TaktException.Invalid($"Model json is missing mandatory fields: {{{string.Join(", ", missing.Select(m => $"'{m}'"))}}}");
            using var bytes = new MemoryStream();
            using (var kept = new Utf8JsonWriter(bytes))
            {
                kept.WriteStartObject();
                foreach (var member in json.RootElement.EnumerateObject())
                    if (member.Name is "run_id" or "utc_time_created" or "artifact_path" or "model_uuid") member.WriteTo(kept);
                kept.WriteStartObject("flavors");
                if (json.RootElement.GetProperty("flavors") is { ValueKind: JsonValueKind.Object } flavors)
                    foreach (var flavor in flavors.EnumerateObject()) Flavor(kept, flavor);
                kept.WriteEndObject();
                kept.WriteEndObject();
            }
            return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw TaktException.Invalid($"Malformed model info. \n {(model.Length > 1000 ? model[..1000] + "…" : model)} \n is not a valid JSON.");
        }
    }

    static void Flavor(Utf8JsonWriter json, JsonProperty flavor)
    {
        if (flavor.Value.ValueKind != JsonValueKind.Object)
        {
            flavor.WriteTo(json);
            return;
        }
        json.WriteStartObject(flavor.Name);
        foreach (var member in flavor.Value.EnumerateObject())
            if (member.Name != "config") member.WriteTo(json);
        json.WriteEndObject();
    }

    async Task Add(HttpContext http, MlflowRequest request, string run, LogEntry entry)
    {
        await runs.In(request.Workspace).Add(run, entry);
        await MlflowAnswer.Empty(http);
    }

    static Task Answer(HttpContext http, TrackedRun run, bool created = false) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("run");
        RunJson.Write(json, run, created);
        json.WriteEndObject();
    });
}
