using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Models;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/registered-models/…</c> and <c>mlflow/model-versions/…</c></summary>
sealed class ModelCalls(ModelCatalog models, ModelRegistry registry, LoggedModels logged)
{
    public async Task Create(HttpContext http, MlflowRequest request) => await Answer(http, await models.Create(request.Text("name"), request.TextOrNull("description") ?? "", request.Pairs("tags")));

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, models.Get(request.Text("name")));

    public async Task Update(HttpContext http, MlflowRequest request) => await Answer(http, await models.Describe(request.Text("name"), request.TextOrNull("description")));

    public async Task Rename(HttpContext http, MlflowRequest request) => await Answer(http, await models.Rename(request.Text("name"), request.Text("new_name")));

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, models.Delete(request.Text("name")));

    public Task Search(HttpContext http, MlflowRequest request)
    {
        var page = MlflowPage.Of(request, 100, 1000);
        var found = models.Search(request.TextOrNull("filter"), request.Texts("order_by"), page.Offset, page.Limit + 1);
        return List(http, "registered_models", found, page, (json, model) => Write(json, model));
    }

    public Task Latest(HttpContext http, MlflowRequest request)
    {
        var stages = request.Texts("stages");
        var latest = models.Get(request.Text("name")).Latest.Where(v => stages.Count == 0 || stages.Contains(v.Stage, StringComparer.OrdinalIgnoreCase)).ToList();
        return List(http, "model_versions", latest, new MlflowPage(0, int.MaxValue), (json, version) => Write(json, version));
    }

    public Task SetTag(HttpContext http, MlflowRequest request) => Done(http, models.SetTag(request.Text("name"), Key(request), request.TextOrNull("value") ?? ""));

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, models.DeleteTag(request.Text("name"), request.Text("key")));

    public Task SetAlias(HttpContext http, MlflowRequest request) => Done(http, models.SetAlias(request.Text("name"), request.Text("alias"), Version(request)));

    public Task DeleteAlias(HttpContext http, MlflowRequest request) => Done(http, registry.DeleteAlias(request.Text("name"), request.Text("alias")));

    public Task GetAlias(HttpContext http, MlflowRequest request) => Answer(http, models.OfAlias(request.Text("name"), request.Text("alias")));

    public async Task CreateVersion(HttpContext http, MlflowRequest request)
    {
        var (name, source, tags) = (request.Text("name"), request.Text("source"), request.Pairs("tags"));
        var run = request.TextOrNull("run_id");
        var model = request.TextOrNull("model_id") is { Length: > 0 } id ? logged.Get(id) : null;
        if (string.IsNullOrEmpty(run)) run = model?.Run;
        var version = await models.Add(name, source, string.IsNullOrEmpty(run) ? null : run, request.TextOrNull("description") ?? "", tags);
        // MLflow 3 tells the logged model which versions it has become
        if (model is not null) await logged.SetTags(model.Id, [KeyValuePair.Create("mlflow.modelVersions", VersionsTag(model, version))]);
        await Answer(http, version);
    }

    static string VersionsTag(LoggedModel model, RegisteredVersion version)
    {
        var entry = $$"""{"name": "{{JsonEncodedText.Encode(version.Name)}}", "version": {{version.Version}}}""";
        var old = model.Tags.FirstOrDefault(t => t.Key == "mlflow.modelVersions").Value;
        return old is { Length: > 2 } && old.EndsWith(']') ? $"{old[..^1]}, {entry}]" : $"[{entry}]";
    }

    public Task GetVersion(HttpContext http, MlflowRequest request) => Answer(http, models.GetVersion(request.Text("name"), Version(request)));

    public Task SearchVersions(HttpContext http, MlflowRequest request)
    {
        var page = MlflowPage.Of(request, 10_000, 200_000);
        var found = models.SearchVersions(request.TextOrNull("filter"), request.Texts("order_by"), page.Offset, page.Limit + 1);
        return List(http, "model_versions", found, page, (json, version) => Write(json, version, aliases: false));
    }

    public async Task UpdateVersion(HttpContext http, MlflowRequest request) =>
        await Answer(http, await models.DescribeVersion(request.Text("name"), Version(request), request.TextOrNull("description")));

    public async Task Move(HttpContext http, MlflowRequest request) =>
        await Answer(http, await models.Move(request.Text("name"), Version(request), request.Text("stage"), request.FlagOrFalse("archive_existing_versions")));

    public Task DeleteVersion(HttpContext http, MlflowRequest request) => Done(http, models.DeleteVersion(request.Text("name"), Version(request)));

    public Task DownloadUri(HttpContext http, MlflowRequest request)
    {
        var source = models.GetVersion(request.Text("name"), Version(request)).Source;
        if (source.StartsWith("models:/m-", StringComparison.Ordinal) && logged.Find(source["models:/".Length..]) is { } model) source = model.ArtifactUri;
        return MlflowAnswer.Write(http, json => json.WriteString("artifact_uri", source));
    }

    public Task SetVersionTag(HttpContext http, MlflowRequest request) => Done(http, models.SetVersionTag(request.Text("name"), Version(request), Key(request), request.TextOrNull("value") ?? ""));

    public Task DeleteVersionTag(HttpContext http, MlflowRequest request) => Done(http, models.DeleteVersionTag(request.Text("name"), Version(request), request.Text("key")));

    static string Key(MlflowRequest request)
    {
        var key = request.Text("key");
        MlflowLimits.Key(key, "key");
        return key;
    }

    static long Version(MlflowRequest request) => request.NumberOrNull("version") ?? throw MlflowRequest.Missing("version");

    static async Task Done(HttpContext http, Task work)
    {
        await work;
        await MlflowAnswer.Empty(http);
    }

    static Task List<T>(HttpContext http, string name, List<T> items, MlflowPage page, Action<Utf8JsonWriter, T> write) => MlflowAnswer.Write(http, json =>
    {
        if (items.Count > 0)
        {
            json.WriteStartArray(name);
            foreach (var item in items.Take(page.Limit))
            {
                json.WriteStartObject();
                write(json, item);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        page.WriteNext(json, items.Count);
    });

    static Task Answer(HttpContext http, RegisteredModel model) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("registered_model");
        Write(json, model);
        json.WriteEndObject();
    });

    static Task Answer(HttpContext http, RegisteredVersion version) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("model_version");
        Write(json, version);
        json.WriteEndObject();
    });

    static void Write(Utf8JsonWriter json, RegisteredModel model)
    {
        json.WriteString("name", model.Name);
        json.WriteNumber("creation_timestamp", model.CreatedAt.ToUnixTimeMilliseconds());
        json.WriteNumber("last_updated_timestamp", model.UpdatedAt.ToUnixTimeMilliseconds());
        if (model.Description.Length > 0) json.WriteString("description", model.Description);
        if (model.Latest.Count > 0)
        {
            json.WriteStartArray("latest_versions");
            foreach (var version in model.Latest)
            {
                json.WriteStartObject();
                Write(json, version, aliases: false);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        MlflowAnswer.Pairs(json, "tags", model.Tags);
        if (model.Aliases.Count == 0) return;
        json.WriteStartArray("aliases");
        foreach (var (alias, version) in model.Aliases)
        {
            json.WriteStartObject();
            json.WriteString("alias", alias);
            json.WriteString("version", version.ToString());
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    static void Write(Utf8JsonWriter json, RegisteredVersion version, bool aliases = true)
    {
        json.WriteString("name", version.Name);
        json.WriteString("version", version.Version.ToString());
        json.WriteNumber("creation_timestamp", version.CreatedAt.ToUnixTimeMilliseconds());
        json.WriteNumber("last_updated_timestamp", version.UpdatedAt.ToUnixTimeMilliseconds());
        json.WriteString("current_stage", version.Stage);
        json.WriteString("description", version.Description);
        json.WriteString("source", version.Source);
        json.WriteString("run_id", version.Run);
        json.WriteString("status", version.Status);
        MlflowAnswer.Pairs(json, "tags", version.Tags);
        json.WriteString("run_link", "");
        if (!aliases || version.Aliases.Count == 0) return;
        json.WriteStartArray("aliases");
        foreach (var alias in version.Aliases) json.WriteStringValue(alias);
        json.WriteEndArray();
    }
}
