using System.Text.Json.Nodes;
using CsCheck;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Runtimes;
using Takt.ML.Trainers;
using Takt.Models;

namespace Takt.Protocols.Tests.Mlflow;

public sealed class RegistryTests
{
    const string Api = "/api/2.0/mlflow";

    static async Task<JsonNode> Ok(MlflowServer server, string method, string path, string? body = null, string? workspace = null)
    {
        var (status, answer) = await server.Send(method, path, body, workspace);
        Assert.True(status == 200, $"{method} {path}: {status} {answer}");
        return JsonNode.Parse(answer)!;
    }

    static Task<JsonNode> NewVersion(MlflowServer server, string name, string source = "s3://bucket/x", string more = "", string? workspace = null) =>
        Ok(server, "POST", $"{Api}/model-versions/create", $$"""{"name":"{{name}}","source":"{{source}}"{{more}}}""", workspace);

    [Fact]
    public async Task The_number_of_a_deleted_newest_version_is_never_given_again()
    {
        await using var server = await MlflowServer.Start();
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""");
        for (var i = 1; i <= 2; i++) Assert.Equal($"{i}", (string?)(await NewVersion(server, "m"))["model_version"]!["version"]);
        await Ok(server, "DELETE", Api + "/model-versions/delete", """{"name":"m","version":"2"}""");
        Assert.Equal("3", (string?)(await NewVersion(server, "m"))["model_version"]!["version"]);
    }

    [Theory]
    [InlineData("v7", "Version alias name 'v7' is reserved.")]
    [InlineData("12", "Version alias name '12' is reserved.")]
    [InlineData("LATEST", "'latest' alias name (case insensitive) is reserved.")]
    [InlineData("a b", "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-).")]
    public async Task An_alias_has_one_rule_for_MLflows_clients_and_for_Takts_own_API(string alias, string message)
    {
        await using var server = await MlflowServer.Start();
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""");
        await NewVersion(server, "m");
        var (status, body) = await server.Send("POST", Api + "/registered-models/alias", $$"""{"name":"m","alias":"{{alias}}","version":"1"}""");
        Assert.Equal((400, message), (status, (string?)JsonNode.Parse(body)!["message"]));
        (status, body) = await server.Send("POST", $"/api/v1/models/m/versions/1/aliases/{Uri.EscapeDataString(alias)}");
        Assert.Equal((400, message), (status, (string?)JsonNode.Parse(body)!["error"]!["message"]));
    }

    [Fact]
    public async Task A_renamed_model_keeps_versions_aliases_tags_history_and_its_deployment()
    {
        await using var server = await MlflowServer.Start();
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"old","tags":[{"key":"a","value":"b"}]}""");
        await NewVersion(server, "old");
        await Ok(server, "POST", Api + "/registered-models/alias", """{"name":"old","alias":"champion","version":"1"}""");
        await server.App.Deployments.Deploy(new DeploymentSpec("e", [1], TimeSpan.Zero, 0, [], null, true, null), "old@1");
        await Ok(server, "POST", Api + "/registered-models/rename", """{"name":"old","new_name":"new"}""");
        Assert.Equal("1", (string?)(await Ok(server, "GET", Api + "/registered-models/alias?name=new&alias=champion"))["model_version"]!["version"]);
        Assert.Equal("b", (string?)(await Ok(server, "GET", Api + "/registered-models/get?name=new"))["registered_model"]!["tags"]![0]!["value"]);
        Assert.Contains("model.renamed", server.App.Models.History("new").Select(e => e.Kind));
        Assert.Equal("new@1", server.App.Deployments.Revisions("e").Single().Model);
        Assert.Equal(404, (await server.Send("GET", Api + "/registered-models/get?name=old")).Status);
    }

    [Fact]
    public async Task Pages_of_a_search_neither_skip_nor_repeat_what_stays_while_others_come_and_go()
    {
        await using var server = await MlflowServer.Start();
        for (var i = 0; i < 10; i++) await Ok(server, "POST", Api + "/registered-models/create", $$"""{"name":"m{{i}}"}""");
        var seen = new List<string>();
        for (var token = ""; token is not null;)
        {
            var page = await Ok(server, "GET", $"{Api}/registered-models/search?max_results=3&page_token={Uri.EscapeDataString(token)}");
            seen.AddRange(page["registered_models"]!.AsArray().Select(m => (string)m!["name"]!));
            token = (string?)page["next_page_token"];
            if (seen.Count == 3) await Ok(server, "DELETE", Api + "/registered-models/delete", """{"name":"m0"}""");
        }
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"m{i}"), seen);
        var (status, body) = await server.Send("GET", $"{Api}/model-versions/search?page_token=" + Uri.EscapeDataString("bm9uZQ=="));
        Assert.Equal(400, status);
        Assert.Contains("page token", body);
    }

    [Fact]
    public async Task Prompts_are_found_by_who_asks_for_them_only_and_their_names_are_taken_for_models_too()
    {
        await using var server = await MlflowServer.Start();
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"p","tags":[{"key":"mlflow.prompt.is_prompt","value":"true"}]}""");
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""");
        async Task<string> Names(string filter) => string.Join(",", ((await Ok(server, "GET", $"{Api}/registered-models/search?filter={Uri.EscapeDataString(filter)}"))["registered_models"]?.AsArray() ?? []).Select(m => (string)m!["name"]!));
        Assert.Equal("m", await Names(""));
        Assert.Equal("p", await Names("tags.`mlflow.prompt.is_prompt` = 'true'"));
        Assert.Equal("m", await Names("tags.`mlflow.prompt.is_prompt` = 'false'"));
        Assert.Equal("m", await Names("tags.`mlflow.prompt.is_prompt` != 'true'"));
        var (status, body) = await server.Send("POST", Api + "/registered-models/create", """{"name":"p"}""");
        Assert.Equal(400, status);
        Assert.Contains("Tried to create a registered model with name 'p', but the name is already taken by a prompt.", body);
    }

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("file:///etc/passwd")]
    [InlineData("models/x")]
    [InlineData("mlflow-artifacts://host:9/../../../../")]
    [InlineData("http://host:9/api/2.0/mlflow-artifacts/artifacts/%2e%2e/%252e%252e/")]
    [InlineData("s3:/bucket/models/path/../../other/path")]
    [InlineData("mlflow-artifacts://host:port/..%2f..%2f..%2f..%2f")]
    [InlineData("https://host:9/api/2.0/mlflow-artifacts/artifacts%00")]
    public async Task No_source_of_a_version_leads_to_the_servers_own_files(string source)
    {
        await using var server = await MlflowServer.Start();
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""");
        var (status, body) = await server.Send("POST", Api + "/model-versions/create", $$"""{"name":"m","source":"{{source}}"}""");
        Assert.Equal(400, status);
        Assert.Contains("Invalid model version source", body);
    }

    [Fact]
    public async Task Workspaces_have_models_of_the_same_name_that_know_nothing_of_each_other()
    {
        await using var server = await MlflowServer.Start();
        foreach (var name in (string[])["team-a", "team-b"]) Assert.Equal(201, (await server.Send("POST", "/api/3.0/mlflow/workspaces", $$"""{"name":"{{name}}"}""")).Status);
        foreach (var name in (string?[])[null, "team-a"]) await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""", name);
        await NewVersion(server, "m", workspace: "team-a");
        Assert.Equal("1", (string?)(await Ok(server, "GET", Api + "/model-versions/get?name=m&version=1", workspace: "team-a"))["model_version"]!["version"]);
        Assert.Equal(404, (await server.Send("GET", Api + "/model-versions/get?name=m&version=1")).Status);
        Assert.Equal("{}", (await server.Send("GET", Api + "/registered-models/search", workspace: "team-b")).Body);
        Assert.Equal(1, (int?)JsonNode.Parse((await server.Send("GET", "/api/v1/models", workspace: "team-a")).Body)!["models"]![0]!["versions"]);

        var (status, body) = await server.Send("DELETE", "/api/3.0/mlflow/workspaces/team-a");
        Assert.Equal((500, "INVALID_STATE"), (status, (string?)JsonNode.Parse(body)!["error_code"]));
        (status, body) = await server.Send("DELETE", "/api/3.0/mlflow/workspaces/team-a?mode=SET_DEFAULT");
        Assert.Equal(500, status);
        Assert.Contains("registered_models: 'm'", body);
        Assert.Equal(204, (await server.Send("DELETE", "/api/3.0/mlflow/workspaces/team-a?mode=CASCADE")).Status);
        Assert.Equal(404, (await server.Send("GET", Api + "/registered-models/get?name=m", workspace: "team-a")).Status);
        await Ok(server, "GET", Api + "/registered-models/get?name=m");
    }

    [Theory]
    [InlineData("runs:/{run}/model")]
    [InlineData("mlflow-artifacts:/0/{run}/artifacts/model")]
    public async Task A_LightGBM_model_that_a_client_logged_answers_as_LightGBM_does_and_later_uploads_do_not_change_it(string source)
    {
        await using var server = await MlflowServer.Start();
        var folder = Directory.CreateTempSubdirectory("takt-lgb").FullName;
        var table = new Table([Column.Of("x", Enumerable.Range(0, 300).Select(i => i / 300.0).ToArray()), Column.Of("z", Enumerable.Range(0, 300).Select(i => i % 7.0).ToArray()),
            Column.Of("y", Enumerable.Range(0, 300).Select(i => i > 150 ? 1L : 0L).ToArray())]);
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, 1), table, folder, TextWriter.Null, default);
        var run = (string)(await Ok(server, "POST", Api + "/runs/create", """{"experiment_id":"0"}"""))["run"]!["info"]!["run_id"]!;
        await Ok(server, "POST", Api + "/runs/log-parameter", $$"""{"run_id":"{{run}}","key":"trees","value":"5"}""");
        async Task Upload(string name, string content) => Assert.Equal(200, (await server.Send("PUT", $"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/{name}", content)).Status);
        await Upload("model.lgb", await File.ReadAllTextAsync(Path.Combine(folder, "model.lgb")));
        await Upload("MLmodel", """
            artifact_path: model
            flavors:
              lightgbm:
                data: model.lgb
                lgb_version: 4.6.0
                model_class: lightgbm.basic.Booster
              python_function:
                loader_module: mlflow.lightgbm
            signature:
              inputs: '[{"type": "double", "name": "x", "required": true}, {"type": "double", "name": "z", "required": true}]'
              outputs: null
            """);
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""");
        await NewVersion(server, "m", source.Replace("{run}", run), $",\"run_id\":\"{run}\"");
        var version = server.App.Models.Resolve("m@1");
        Assert.NotNull(version.Package);
        Assert.Equal("5", version.Params["trees"]);
        await Upload("model.lgb", "not any more");
        using var model = await server.App.Models.Load(version);
        using var own = new LightGbmRuntime().Load(folder);
        Assert.Equal(["x", "z"], model.Signature.Inputs.Select(i => i.Name));
        Assert.Equal(own.Predict(table).Columns[0].Numbers, model.Predict(table).Columns[0].Numbers);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_model_that_Takt_can_not_run_is_refused_in_words_that_say_why()
    {
        await using var server = await MlflowServer.Start();
        await Ok(server, "POST", Api + "/registered-models/create", """{"name":"m"}""");
        await NewVersion(server, "m");
        Assert.Contains("leads to no files on this server", (await Assert.ThrowsAsync<TaktException>(() => server.App.Models.Load(server.App.Models.Resolve("m@1")))).Message);
        Assert.Equal(200, (await server.Send("PUT", "/api/2.0/mlflow-artifacts/artifacts/own/model/MLmodel", "flavors:\n  weird:\n    data: model.pkl\n")).Status);
        await NewVersion(server, "m", "mlflow-artifacts:/own/model");
        Assert.Contains("weird", (await Assert.ThrowsAsync<TaktException>(() => server.App.Models.Load(server.App.Models.Resolve("m@2")))).Message);
    }

    [Fact]
    public async Task A_package_of_Takts_own_is_downloaded_by_clients_file_by_file()
    {
        await using var server = await MlflowServer.Start();
        var folder = Directory.CreateTempSubdirectory("takt-lgb").FullName;
        var table = new Table([Column.Of("x", Enumerable.Range(0, 100).Select(i => (double)i).ToArray()), Column.Of("y", Enumerable.Range(0, 100).Select(i => (long)(i % 2)).ToArray())]);
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 2 }, 1), table, folder, TextWriter.Null, default);
        RegisterModel From(string commit) => new("m", folder, null, commit, [], new Dictionary<string, string>(), new Dictionary<string, double>());
        await server.App.Models.Register(From("a"));
        Assert.Equal(1, (await server.App.Models.Register(From("a"))).Version); // the same bytes from the same code: nothing new
        Assert.Equal(2, (await server.App.Models.Register(From("b"))).Version); // a lineage of its own
        var uri = (string)(await Ok(server, "GET", Api + "/model-versions/get-download-uri?name=m&version=2"))["artifact_uri"]!;
        var path = uri["mlflow-artifacts:/".Length..];
        Assert.Equal(["MLmodel", "model.lgb", "takt.json"], (await Ok(server, "GET", $"/api/2.0/mlflow-artifacts/artifacts?path={path}"))["files"]!.AsArray().Select(f => (string)f!["path"]!));
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(folder, "MLmodel")), (await server.Send("GET", $"/api/2.0/mlflow-artifacts/artifacts/{path}/MLmodel")).Body);
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(folder, "MLmodel")), (await server.Send("GET", "/model-versions/get-artifact?name=m&version=2&path=MLmodel")).Body);
        Assert.Equal(403, (await server.Send("PUT", $"/api/2.0/mlflow-artifacts/artifacts/{path}/MLmodel", "x")).Status);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task No_body_of_a_registry_call_is_answered_by_a_bug()
    {
        await using var server = await MlflowServer.Start();
        string[] posts = ["registered-models/create", "registered-models/rename", "registered-models/alias", "registered-models/set-tag", "model-versions/create", "model-versions/transition-stage", "model-versions/set-tag", "webhooks", "registered-models/get-latest-versions"];
        string[] names = ["name", "new_name", "alias", "version", "key", "value", "source", "run_id", "model_id", "stage", "stages", "tags", "description", "url", "events", "secret", "status", "archive_existing_versions"];
        string[] values = ["\"m\"", "\"v1\"", "\"https://h/x\"", "\"s3://b/x\"", "\"models:/m/1\"", "\"runs:/x/y\"", "\"\\u0000\"", "\"Staging\"", "\"ACTIVE\"", "\"mlflow-artifacts:/../x\"", "\"\\ud800\"", "1", "-1", "1e300", "true",
            "null", "{}", "[]", "[1,null]", "[{\"key\":\"k\",\"value\":\"v\"}]", "[{\"entity\":\"PROMPT\",\"action\":\"CREATED\"}]", "[{\"entity\":7}]", "\"\""];
        var bodies = new List<(string, string)>();
        Gen.Select(Gen.Int[0, posts.Length - 1], Gen.Select(Gen.Int[0, names.Length - 1], Gen.Int[0, values.Length - 1]).Array[0, 7]).Sample((path, members) =>
            bodies.Add((posts[path], $"{{{string.Join(',', members.Select(m => $"\"{names[m.Item1]}\":{values[m.Item2]}"))}}}")), iter: 1500, threads: 1);
        foreach (var (path, body) in bodies)
        {
            var (status, answer) = await server.Send("POST", $"{Api}/{path}", body);
            Assert.True(status < 500, $"{path} {body}: {status} {answer}");
        }
    }
}
