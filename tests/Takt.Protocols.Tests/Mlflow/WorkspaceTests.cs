using System.Text.Json.Nodes;

namespace Takt.Protocols.Tests.Mlflow;

public sealed class WorkspaceTests
{
    const string Api = "/api/3.0/mlflow/workspaces";

    [Fact]
    public async Task Workspaces_are_created_listed_changed_and_removed_as_MLflow_does()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal("""{"workspaces":[{"name":"default"}]}""", (await server.Send("GET", Api)).Body);
        Assert.Equal((201, """{"workspace":{"name":"team-a","description":"ours"}}"""), await server.Send("POST", Api, """{"name":"team-a","description":"ours"}"""));
        Assert.Equal((200, """{"workspace":{"name":"team-a","description":"ours"}}"""), await server.Send("GET", Api + "/team-a"));
        Assert.Equal((200, """{"workspace":{"name":"team-a","description":"theirs","default_artifact_root":"s3://b/a"}}"""),
            await server.Send("PATCH", Api + "/team-a", """{"description":"theirs","default_artifact_root":"s3://b/a"}"""));
        Assert.Equal((200, """{"workspace":{"name":"team-a","description":"theirs"}}"""), await server.Send("PATCH", Api + "/team-a", """{"default_artifact_root":""}"""));
        Assert.Equal((204, ""), await server.Send("DELETE", Api + "/team-a"));
        Assert.Equal((404, """{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Workspace 'team-a' not found"}"""), await server.Send("GET", Api + "/team-a"));
    }

    [Theory]
    [InlineData("POST", "", """{"name":"default"}""", 400, "INVALID_PARAMETER_VALUE", "The 'default' workspace is reserved and cannot be created")]
    [InlineData("POST", "", """{"name":"Team"}""", 400, "INVALID_PARAMETER_VALUE", "Workspace name 'Team' must match the pattern ^(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$ (lowercase alphanumeric with optional internal hyphens).")]
    [InlineData("POST", "", """{"name":"a"}""", 400, "INVALID_PARAMETER_VALUE", "Workspace name 'a' must be between 2 and 63 characters.")]
    [InlineData("POST", "", """{"name":"api"}""", 400, "INVALID_PARAMETER_VALUE", "Workspace name 'api' is reserved and cannot be used.")]
    [InlineData("POST", "", """{}""", 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'. See the API docs for more information about request parameters.")]
    [InlineData("PATCH", "/default", """{}""", 400, "INVALID_PARAMETER_VALUE", "Workspace update must have at least one key")]
    [InlineData("PATCH", "/nobody", """{"description":"x"}""", 404, "RESOURCE_DOES_NOT_EXIST", "Workspace 'nobody' not found")]
    [InlineData("DELETE", "/default", null, 400, "INVALID_PARAMETER_VALUE", "The 'default' workspace is reserved and cannot be deleted")]
    [InlineData("DELETE", "/nobody?mode=ALL", null, 400, "INVALID_PARAMETER_VALUE", "Invalid deletion mode 'ALL'. Must be one of: SET_DEFAULT, CASCADE, RESTRICT")]
    public async Task A_wrong_request_about_workspaces_is_told_in_MLflows_words(string method, string path, string? body, int status, string code, string message)
    {
        await using var server = await MlflowServer.Start();
        var (answered, answer) = await server.Send(method, Api + path, body);
        var error = JsonNode.Parse(answer)!;
        Assert.Equal((status, code, message), (answered, (string)error["error_code"]!, (string)error["message"]!));
    }

    [Fact]
    public async Task A_call_for_a_workspace_that_is_not_there_is_refused_but_not_the_question_whether_there_are_any()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal((404, """{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Workspace 'nobody' not found"}"""),
            await server.Send("GET", "/api/2.0/mlflow/registered-models/search", workspace: "nobody"));
        Assert.Equal(400, (await server.Send("GET", "/api/2.0/mlflow/registered-models/search", workspace: "No/Body")).Status);
        Assert.Equal((200, """{"store_type":"SqlStore","workspaces_enabled":true}"""), await server.Send("GET", "/api/3.0/mlflow/server-info", workspace: "nobody"));
    }

    [Theory]
    [InlineData("RESTRICT")]
    [InlineData("SET_DEFAULT")]
    public async Task An_empty_Default_holds_no_removal_of_its_workspace_up_but_one_with_runs_does(string mode)
    {
        const string Experiments = "/api/2.0/mlflow/experiments", Runs = "/api/2.0/mlflow/runs";
        await using var server = await MlflowServer.Start();
        foreach (var team in (string[])["team-a", "team-b"])
        {
            await server.Send("POST", Api, $$"""{"name":"{{team}}"}""");
            Assert.Equal(200, (await server.Send("GET", Experiments + "/get-by-name?experiment_name=Default", workspace: team)).Status); // now it is there
        }
        Assert.Equal(200, (await server.Send("GET", Experiments + "/get?experiment_id=0")).Status);
        if (mode == "SET_DEFAULT") await server.Send("POST", Experiments + "/create", """{"name":"moves"}""", workspace: "team-a");
        Assert.Equal((204, ""), await server.Send("DELETE", $"{Api}/team-a?mode={mode}"));
        Assert.Equal(mode == "SET_DEFAULT" ? 200 : 404, (await server.Send("GET", Experiments + "/get-by-name?experiment_name=moves")).Status);

        Assert.Equal(200, (await server.Send("POST", Runs + "/create", """{"experiment_id":"0"}""", workspace: "team-b")).Status);
        var (status, answer) = await server.Send("DELETE", $"{Api}/team-b?mode={mode}");
        Assert.Equal(500, status); // MLflow's own status for it
        Assert.Contains(mode == "RESTRICT" ? "table 'experiments' still contains 1 resource(s)" : "- experiments: 'Default'", (string)JsonNode.Parse(answer)!["message"]!);
        Assert.Equal(200, (await server.Send("GET", Experiments + "/get-by-name?experiment_name=Default", workspace: "team-b")).Status);
    }
}
