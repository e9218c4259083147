using Microsoft.AspNetCore.Routing;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Where registered models, their versions, webhooks and workspaces are served.</summary>
static class RegistryRoutes
{
    public static void Map(IEndpointRouteBuilder routes, string prefix, TaktApp app)
    {
        MapModels(routes, $"{prefix}/2.0/mlflow", new ModelCalls(app.ModelCatalog, app.LoggedModels, app.RunLog));
        MapWebhooks(routes, $"{prefix}/2.0/mlflow/webhooks", new WebhookCalls(app.Webhooks, app.WebhookSender));
    }

    static void MapModels(IEndpointRouteBuilder routes, string at, ModelCalls calls)
    {
        var models = at + "/registered-models";
        MlflowApi.Post(routes, models + "/create", calls.Create);
        MlflowApi.Get(routes, models + "/get", calls.Get);
        MlflowApi.Get(routes, models + "/search", calls.Search);
        MlflowApi.Patch(routes, models + "/update", calls.Update);
        MlflowApi.Post(routes, models + "/rename", calls.Rename);
        MlflowApi.Delete(routes, models + "/delete", calls.Delete);
        MlflowApi.Get(routes, models + "/get-latest-versions", calls.Latest);
        MlflowApi.Post(routes, models + "/get-latest-versions", calls.Latest);
        MlflowApi.Post(routes, models + "/set-tag", calls.SetTag);
        MlflowApi.Delete(routes, models + "/delete-tag", calls.DeleteTag);
        MlflowApi.Post(routes, models + "/alias", calls.SetAlias);
        MlflowApi.Get(routes, models + "/alias", calls.GetAlias);
        MlflowApi.Delete(routes, models + "/alias", calls.DeleteAlias);
        var versions = at + "/model-versions";
        MlflowApi.Post(routes, versions + "/create", calls.CreateVersion);
        MlflowApi.Get(routes, versions + "/get", calls.GetVersion);
        MlflowApi.Get(routes, versions + "/search", calls.SearchVersions);
        MlflowApi.Patch(routes, versions + "/update", calls.UpdateVersion);
        MlflowApi.Post(routes, versions + "/transition-stage", calls.Move);
        MlflowApi.Delete(routes, versions + "/delete", calls.DeleteVersion);
        MlflowApi.Get(routes, versions + "/get-download-uri", calls.DownloadUri);
        MlflowApi.Post(routes, versions + "/set-tag", calls.SetVersionTag);
        MlflowApi.Delete(routes, versions + "/delete-tag", calls.DeleteVersionTag);
    }

    static void MapWebhooks(IEndpointRouteBuilder routes, string at, WebhookCalls calls)
    {
        MlflowApi.Post(routes, at, calls.Create);
        MlflowApi.Get(routes, at, calls.List);
        MlflowApi.Get(routes, at + "/{webhook}", calls.Get);
        MlflowApi.Patch(routes, at + "/{webhook}", calls.Update);
        MlflowApi.Delete(routes, at + "/{webhook}", calls.Delete);
        MlflowApi.Post(routes, at + "/{webhook}/test", calls.Test);
    }
}
