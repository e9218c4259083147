using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/traces/{id}/assessments…</c></summary>
sealed class AssessmentCalls(Assessments assessments)
{
    const int LongestName = 250;

    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var assessment = AssessmentJson.Read(Given(request), Trace(http));
        if (assessment.Name.Length > LongestName) throw TaktException.Invalid($"'assessment_name' exceeds the maximum length of {LongestName} characters");
        await Answer(http, await assessments.In(request.Workspace).Create(assessment with { Id = "" }));
    }

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, assessments.In(request.Workspace).Get(Trace(http), Id(http)));

    public async Task Update(HttpContext http, MlflowRequest request)
    {
        var given = Given(request);
        var change = new AssessmentChange();
        foreach (var path in Mask(request))
            switch (path)
            {
                case "assessment_name": change = change with { Name = given.TextOrNull("assessment_name") }; break;
                case "rationale": change = change with { Rationale = given.TextOrNull("rationale") }; break;
                case "metadata": change = change with { Metadata = given.Map("metadata") }; break;
                case "valid": change = change with { Valid = given.FlagOrFalse("valid") }; break;
                case "feedback" or "expectation":
                    var (kind, value, error) = AssessmentJson.Value(given);
                    if (kind != path) throw TaktException.Invalid($"The assessment has no {path}, which 'update_mask' names");
                    change = change with { Kind = kind, Value = value, Error = error };
                    break;
            }
        await Answer(http, await assessments.In(request.Workspace).Update(Trace(http), Id(http), change));
    }

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        await assessments.In(request.Workspace).Delete(Trace(http), Id(http));
        await MlflowAnswer.Empty(http);
    }

    static MlflowRequest Given(MlflowRequest request) => request.ObjectOrNull("assessment") ?? throw MlflowRequest.Missing("assessment");

    // protobuf's JSON has a field mask as "a,b" in lower camel case; {"paths": [...]} is taken too
    static IEnumerable<string> Mask(MlflowRequest request)
    {
        if (request.RawOrNull("update_mask") is not { } mask) throw MlflowRequest.Missing("update_mask");
        var paths = mask.ValueKind == JsonValueKind.Object ? MlflowRequest.Of(mask).Texts("paths") : [.. request.Text("update_mask").Split(',', StringSplitOptions.TrimEntries)];
        return paths.Select(p => p == "assessmentName" ? "assessment_name" : p);
    }

    static string Trace(HttpContext http) => (string)http.Request.RouteValues["id"]!;

    static string Id(HttpContext http) => (string)http.Request.RouteValues["assessment"]!;

    static Task Answer(HttpContext http, Assessment assessment) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("assessment");
        AssessmentJson.Write(json, assessment);
        json.WriteEndObject();
    });
}
