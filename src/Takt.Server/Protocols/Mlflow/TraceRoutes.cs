using Microsoft.AspNetCore.Routing;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Where traces, assessments, evaluation datasets and scorers are served.</summary>
static class TraceRoutes
{
    public static void Map(IEndpointRouteBuilder routes, string prefix, TaktApp app)
    {
        var traces = new TraceCalls(app.Traces, app.Artifacts);
        var judged = new AssessmentCalls(app.Assessments);
        MlflowApi.Get(routes, $"{prefix}/2.0/mlflow/get-trace-artifact", traces.Artifact);
        foreach (var at in (string[])[$"{prefix}/2.0/mlflow/traces", $"{prefix}/3.0/mlflow/traces"])
        {
            MlflowApi.Post(routes, at + "/delete-traces", traces.Delete);
            MlflowApi.Post(routes, at + "/link-to-run", traces.LinkToRun);
            MlflowApi.Post(routes, at + "/link-prompts", traces.LinkPrompts);
            MlflowApi.Patch(routes, at + "/{id}/tags", traces.SetTag);
            MlflowApi.Delete(routes, at + "/{id}/tags", traces.DeleteTag);
        }
        Map2(routes, $"{prefix}/2.0/mlflow/traces", traces);
        Map3(routes, $"{prefix}/3.0/mlflow/traces", traces);
        MapAssessments(routes, prefix + "/3.0/mlflow/traces/{id}/assessments", judged);
        MapSets(routes, $"{prefix}/3.0/mlflow/datasets", new EvaluationSetCalls(app.EvaluationSets));
        var scorers = new ScorerCalls(app.Scorers);
        MlflowApi.Post(routes, $"{prefix}/3.0/mlflow/scorers/register", scorers.Register);
        MlflowApi.Get(routes, $"{prefix}/3.0/mlflow/scorers/list", scorers.List);
        MlflowApi.Get(routes, $"{prefix}/3.0/mlflow/scorers/versions", scorers.Versions);
        MlflowApi.Get(routes, $"{prefix}/3.0/mlflow/scorers/get", scorers.Get);
        MlflowApi.Delete(routes, $"{prefix}/3.0/mlflow/scorers/delete", scorers.Delete);
        MlflowApi.Get(routes, $"{prefix}/3.0/mlflow/scorers/online-configs", scorers.Online);
        MlflowApi.Put(routes, $"{prefix}/3.0/mlflow/scorers/online-config", scorers.SetOnline);
    }

    static void Map2(IEndpointRouteBuilder routes, string at, TraceCalls traces)
    {
        MlflowApi.Post(routes, at, traces.Start2);
        MlflowApi.Get(routes, at, traces.Search2);
        MlflowApi.Patch(routes, at + "/{id}", traces.End2);
        MlflowApi.Get(routes, at + "/{id}/info", traces.Info2);
    }

    static void Map3(IEndpointRouteBuilder routes, string at, TraceCalls traces)
    {
        MlflowApi.Post(routes, at, traces.Start);
        MlflowApi.Post(routes, at + "/search", traces.Search);
        MlflowApi.Get(routes, at + "/get", traces.GetOne);
        MlflowApi.Get(routes, at + "/batchGet", traces.GetMany);
        MlflowApi.Post(routes, at + "/batchGetInfos", traces.Infos);
        MlflowApi.Post(routes, at + "/calculate-filter-correlation", traces.Correlate);
        MlflowApi.Get(routes, at + "/{id}", traces.Info);
    }

    static void MapAssessments(IEndpointRouteBuilder routes, string at, AssessmentCalls calls)
    {
        MlflowApi.Post(routes, at, calls.Create);
        MlflowApi.Get(routes, at + "/{assessment}", calls.Get);
        MlflowApi.Patch(routes, at + "/{assessment}", calls.Update);
        MlflowApi.Delete(routes, at + "/{assessment}", calls.Delete);
    }

    static void MapSets(IEndpointRouteBuilder routes, string at, EvaluationSetCalls calls)
    {
        MlflowApi.Post(routes, at + "/create", calls.Create);
        MlflowApi.Post(routes, at + "/search", calls.Search);
        MlflowApi.Get(routes, at + "/search", calls.Search);
        MlflowApi.Get(routes, at + "/{id}", calls.Get);
        MlflowApi.Delete(routes, at + "/{id}", calls.Delete);
        MlflowApi.Patch(routes, at + "/{id}/tags", calls.SetTags);
        MlflowApi.Delete(routes, at + "/{id}/tags/{key}", calls.DeleteTag);
        MlflowApi.Post(routes, at + "/{id}/records", calls.Put);
        MlflowApi.Get(routes, at + "/{id}/records", calls.Records);
        MlflowApi.Delete(routes, at + "/{id}/records", calls.DeleteRecords);
        MlflowApi.Get(routes, at + "/{id}/experiment-ids", calls.Experiments);
        MlflowApi.Post(routes, at + "/{id}/add-experiments", calls.AddTo);
        MlflowApi.Post(routes, at + "/{id}/remove-experiments", calls.RemoveFrom);
    }
}
