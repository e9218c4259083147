using Takt.Protocols.Tests.Mlflow;

namespace Takt.Protocols.Tests;

public sealed class TestResetTests
{
    [Fact]
    public async Task A_testing_server_forgets_rows_bytes_and_workspaces_and_has_its_default_experiment_again()
    {
        await using var server = await MlflowServer.Start(testing: true);
        const string api = "/api/2.0/mlflow";
        for (var round = 0; round < 2; round++)
        {
            Assert.Equal(200, (await server.Send("POST", api + "/experiments/create", """{"name":"x"}""")).Status);
            Assert.Equal(200, (await server.Send("POST", api + "/registered-models/create", """{"name":"m"}""")).Status);
            Assert.Equal(201, (await server.Send("POST", "/api/3.0/mlflow/workspaces", """{"name":"team"}""")).Status);
            Assert.Equal(200, (await server.Send("PUT", "/api/2.0/mlflow-artifacts/artifacts/a/b.txt", "bytes")).Status);
            Assert.Equal(200, (await server.Send("GET", api + "/registered-models/search", workspace: "team")).Status);
            Assert.Equal((200, "{}"), await server.Send("POST", "/testing/reset"));
            Assert.Equal(404, (await server.Send("GET", api + "/registered-models/get?name=m")).Status);
            Assert.Equal(404, (await server.Send("GET", "/api/2.0/mlflow-artifacts/artifacts/a/b.txt")).Status);
            Assert.Equal(404, (await server.Send("GET", api + "/registered-models/search", workspace: "team")).Status);
            Assert.Contains("\"Default\"", (await server.Send("GET", api + "/experiments/get?experiment_id=0")).Body);
            var left = 0;
            await foreach (var _ in server.App.Blobs.List()) left++;
            Assert.Equal(0, left);
        }
    }

    [Fact]
    public async Task A_server_that_is_not_for_testing_keeps_what_it_has()
    {
        await using var server = await MlflowServer.Start();
        await server.Send("POST", "/api/2.0/mlflow/registered-models/create", """{"name":"m"}""");
        var (status, body) = await server.Send("POST", "/testing/reset");
        Assert.Equal(403, status);
        Assert.Contains("--testing", body);
        Assert.Equal(200, (await server.Send("GET", "/api/2.0/mlflow/registered-models/get?name=m")).Status);
    }
}
