using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Where artifacts are served.</summary>
static class ArtifactRoutes
{
    public static void Map(IEndpointRouteBuilder routes, string prefix, TaktApp app)
    {
        var calls = Calls(app);
        MlflowApi.Get(routes, $"{prefix}/2.0/mlflow/artifacts/list", calls.ListOfRun);
        MlflowApi.Post(routes, $"{prefix}/2.0/mlflow/artifacts/presigned-upload-url", calls.PresignedUpload);
        MlflowApi.Get(routes, $"{prefix}/2.0/mlflow/logged-models/{{id}}/artifacts/directories", calls.ListOfModel);
        MlflowApi.Get(routes, $"{prefix}/2.0/mlflow/logged-models/{{id}}/artifacts/files", calls.GetOfModel);
        routes.MapPost($"{prefix}/2.0/mlflow/upload-artifact", http => MlflowApi.Guarded(http, () => calls.Upload(http)));
        var at = $"{prefix}/2.0/mlflow-artifacts";
        MlflowApi.Get(routes, at + "/artifacts", calls.List);
        routes.MapGet(at + "/artifacts/{**path}", (HttpContext http, string path) => MlflowApi.Guarded(http, () => calls.Get(http, path)));
        routes.MapPut(at + "/artifacts/{**path}", (HttpContext http, string path) => MlflowApi.Guarded(http, () => calls.Put(http, path)));
        routes.MapDelete(at + "/artifacts/{**path}", (HttpContext http, string path) => MlflowApi.Guarded(http, () => calls.Delete(http, path)));
        routes.MapGet(at + "/presigned/{**path}", (HttpContext http, string path) => MlflowApi.Guarded(http, () => calls.Presigned(http, path)));
        var uploads = new MultipartCalls(app.Uploads, $"{at}/mpu/parts");
        MlflowApi.Post(routes, at + "/mpu/create/{**path}", uploads.Create);
        MlflowApi.Post(routes, at + "/mpu/complete/{**path}", uploads.Complete);
        MlflowApi.Post(routes, at + "/mpu/abort/{**path}", uploads.Abort);
        MlflowApi.Get(routes, at + "/mpu/parts/{id}", uploads.Parts);
        routes.MapPut(at + "/mpu/parts/{id}/{part:int}", (HttpContext http, string id, int part) => MlflowApi.Guarded(http, () => uploads.Put(http, id, part)));
    }

    /// <summary>What browsers ask outside of the API.</summary>
    public static void MapBrowser(IEndpointRouteBuilder routes, TaktApp app)
    {
        var calls = Calls(app);
        MlflowApi.Get(routes, "/get-artifact", calls.GetOfRun);
        MlflowApi.Get(routes, "/model-versions/get-artifact", calls.GetOfVersion);
    }

    /// <summary>An address of an artifact with <c>..</c> in it never reaches a route: it is told here what it is.</summary>
    public static void RefuseWaysOut(this IApplicationBuilder web) => web.Use(async (http, next) =>
    {
        var raw = http.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        if (raw.Contains("/mlflow-artifacts/", StringComparison.Ordinal) && ArtifactPath.LeadsOut(raw)) await MlflowAnswer.Error(http, ArtifactPath.Invalid());
        else await next(http);
    });

    internal static ArtifactCalls Calls(TaktApp app) => new(app.Artifacts, app.Blobs, app.RunLog, app.ModelCatalog, app.LoggedModels, app.Presign);
}
