using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Models;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/registered-models/…</c> and <c>mlflow/model-versions/…</c></summary>
sealed class ModelCalls(ModelCatalog models, LoggedModels logged, RunLog runs)
{
    public async Task Create(HttpContext http, MlflowRequest request) => await Answer(http, await models.In(request.Workspace).Create(RegistryLimits.Name(Name(request)), RegistryLimits.Description(request.TextOrNull("description")), RegistryLimits.Tags(request)));

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, models.In(request.Workspace).Get(Name(request)));

    public async Task Update(HttpContext http, MlflowRequest request) =>
        await Answer(http, await models.In(request.Workspace).Describe(Name(request), RegistryLimits.Description(request.TextOrNull("description"))));

    public async Task Rename(HttpContext http, MlflowRequest request) =>
        await Answer(http, await models.In(request.Workspace).Rename(Name(request), RegistryLimits.Name(request.Text("new_name"), "new_name")));

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).Delete(Name(request)));

    public Task Search(HttpContext http, MlflowRequest request) => MlflowAnswer.Page(http, "registered_models",
        models.In(request.Workspace).Search(request.TextOrNull("filter"), request.Texts("order_by"), MlflowPage.Length(request, 100, 1000), request.TextOrNull("page_token")), Write);

    public Task Latest(HttpContext http, MlflowRequest request) => MlflowAnswer.Page(http, "model_versions",
        new Page<RegisteredVersion>([.. models.In(request.Workspace).Latest(Name(request), request.Texts("stages"))], null), (json, version) => Write(json, version));

    public Task SetTag(HttpContext http, MlflowRequest request)
    {
        var (key, value) = RegistryLimits.Tag(request.Text("key"), request.TextOrNull("value") ?? "");
        return Done(http, models.In(request.Workspace).SetTag(Name(request), key, value));
    }

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).DeleteTag(Name(request), Key(request)));

    public Task SetAlias(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).SetAlias(Name(request), request.Text("alias"), Version(request)));

    public Task DeleteAlias(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).DeleteAlias(Name(request), request.Text("alias")));

    public Task GetAlias(HttpContext http, MlflowRequest request) => Answer(http, models.In(request.Workspace).OfAlias(Name(request), request.Text("alias")));

    public async Task CreateVersion(HttpContext http, MlflowRequest request)
    {
        var (name, source, tags) = (Name(request), request.Text("source"), RegistryLimits.Tags(request));
        var (run, id) = (request.TextOrNull("run_id"), request.TextOrNull("model_id"));
        var model = string.IsNullOrEmpty(id) ? null : logged.In(request.Workspace).Get(id);
        if (tags.All(t => t.Key != ModelCatalog.PromptTag))
        {
            if (RegistryLimits.IsRemoteFile(source))
            {
                await MlflowAnswer.Error(http, 500, "INTERNAL_ERROR", $"{source} is not a valid remote uri. For remote access on windows, please consider using a different scheme such as SMB (e.g. smb://<hostname>/<path>)."); // MLflow's own status for it
                return;
            }
            RegistryLimits.Source(source, model is null ? "run" : "model", model?.ArtifactUri ?? (!RegistryLimits.IsLocal(source) || string.IsNullOrEmpty(run) ? null : runs.In(request.Workspace).Get(run).ArtifactUri));
        }
        var version = await models.In(request.Workspace).Add(new NewRegisteredVersion(name, source, string.IsNullOrEmpty(run) ? null : run, model?.Id, request.TextOrNull("run_link") ?? "",
            RegistryLimits.Description(request.TextOrNull("description")), tags));
        await Answer(http, version);
    }

    public Task GetVersion(HttpContext http, MlflowRequest request) => Answer(http, models.In(request.Workspace).GetVersion(Name(request), Version(request)));

    public Task SearchVersions(HttpContext http, MlflowRequest request) => MlflowAnswer.Page(http, "model_versions",
        models.In(request.Workspace).SearchVersions(request.TextOrNull("filter"), request.Texts("order_by"), MlflowPage.Length(request, 10_000, 200_000), request.TextOrNull("page_token")),
        (json, version) => Write(json, version, aliases: false));

    public async Task UpdateVersion(HttpContext http, MlflowRequest request) =>
        await Answer(http, await models.In(request.Workspace).DescribeVersion(Name(request), Version(request), RegistryLimits.Description(request.TextOrNull("description"))));

    public async Task Move(HttpContext http, MlflowRequest request) =>
        await Answer(http, await models.In(request.Workspace).Move(Name(request), Version(request), request.Text("stage"), request.FlagOrFalse("archive_existing_versions")));

    public Task DeleteVersion(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).DeleteVersion(Name(request), Version(request)));

    public Task DownloadUri(HttpContext http, MlflowRequest request)
    {
        var uri = models.In(request.Workspace).DownloadUri(Name(request), Version(request));
        return MlflowAnswer.Write(http, json => json.WriteString("artifact_uri", uri));
    }

    public Task SetVersionTag(HttpContext http, MlflowRequest request)
    {
        var (key, value) = RegistryLimits.Tag(request.Text("key"), request.TextOrNull("value") ?? "");
        return Done(http, models.In(request.Workspace).SetVersionTag(Name(request), Version(request), key, value));
    }

    public Task DeleteVersionTag(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).DeleteVersionTag(Name(request), Version(request), Key(request)));

    static string Name(MlflowRequest request) => request.Text("name");

    static string Key(MlflowRequest request)
    {
        var key = request.Text("key");
        RegistryLimits.Key(key);
        return key;
    }

    static long Version(MlflowRequest request) => request.IdOrNull("version") is not { Length: > 0 } text ? throw MlflowRequest.Missing("version")
        : long.TryParse(text, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var version) ? version
        : throw TaktException.Invalid($"Parameter 'version' must be an integer, got '{text}'.");

    static async Task Done(HttpContext http, Task work)
    {
        await work;
        await MlflowAnswer.Empty(http);
    }

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
        json.WriteString("run_link", version.RunLink);
        if (!aliases || version.Aliases.Count == 0) return;
        json.WriteStartArray("aliases");
        foreach (var alias in version.Aliases) json.WriteStringValue(alias);
        json.WriteEndArray();
    }
}
