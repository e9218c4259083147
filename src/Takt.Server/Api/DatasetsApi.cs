using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Data;

namespace Takt.Server.Api;

/// <summary>Datasets over HTTP, read-only: the list, the versions of one, one version with its files and profile.</summary>
public static class DatasetsApi
{
    const int MostCommits = 1000;

    public static void MapDatasets(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/datasets", () => Results.Json(
            new DatasetList(app.Datasets.List().Select(DatasetView.Of).ToList()), DatasetsJson.Default.DatasetList));

        routes.MapGet("/api/v1/datasets/{name}/commits", (string name, string? @ref, int? limit) => Results.Json(
            new CommitList(app.Datasets.Log($"{name}@{@ref ?? DatasetReference.Main}", Math.Clamp(limit ?? 100, 1, MostCommits)).Select(CommitView.Of).ToList()),
            DatasetsJson.Default.CommitList));

        // version: a ref or sha256: and the first digits
        routes.MapGet("/api/v1/datasets/{name}/commits/{version}", async (string name, string version, CancellationToken cancel) => Results.Json(
            await VersionView.Of(app.Datasets, app.Datasets.Show($"{name}@{version}"), cancel), DatasetsJson.Default.VersionView));

        // what the expectations found: of the newest checks, or of one version
        routes.MapGet("/api/v1/datasets/{name}/checks", (string name, string? version, int? limit) =>
        {
            _ = app.Datasets.Show(name);
            var commit = version is null ? null : app.Datasets.Show($"{name}@{version}");
            return Results.Text($"{{\"checks\":{System.Text.Json.JsonSerializer.Serialize(app.Datasets.Checks(name, commit?.Id, Math.Clamp(limit ?? 20, 1, MostCommits)), CheckJson.Default.IReadOnlyListStoredCheck)}}}", "application/json");
        });
    }
}

/// <summary>How datasets are written as JSON: by the API and by <c>takt data --json</c>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DatasetList))]
[JsonSerializable(typeof(CommitList))]
[JsonSerializable(typeof(VersionView))]
[JsonSerializable(typeof(CollectedView))]
sealed partial class DatasetsJson : JsonSerializerContext;
