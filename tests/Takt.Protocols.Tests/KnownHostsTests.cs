using System.Net;
using System.Text;
using Takt.Server;
using Takt.Storage;

namespace Takt.Protocols.Tests;

/// <summary>A page of another site whose name was made to point here is, to the browser, a page of this server; only the Host that it asks for tells.</summary>
public sealed class KnownHostsTests : IDisposable
{
    const string Search = "/api/2.0/mlflow/experiments/search?max_results=1";

    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_server_on_loopback_is_read_and_written_under_addresses_and_names_of_loopback_only()
    {
        await using var server = await Server("127.0.0.1");
        foreach (var known in new[] { "127.0.0.1", "localhost", "LocalHost", "bucket.localhost", "[::1]", "192.168.7.7" }) await Answers(200, known);
        foreach (var foreign in new[] { "rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example", "notlocalhost" }) await Answers(403, foreign);

        async Task Answers(int expected, string host)
        {
            Assert.Equal((host, expected), (host, await Ask(server.Address, Search, host)));
            Assert.Equal((host, expected), (host, await Ask(server.Address, "/api/2.0/mlflow/registered-models/create", host, $$"""{"name":"{{host.Trim('[', ']').Replace(':', '-')}}"}""")));
            Assert.Equal((host, expected), (host, await Ask(server.Address, "/models", host)));
            Assert.Equal((host, 200), (host, await Ask(server.Address, "/health", host)));
            Assert.Equal((host, 200), (host, await Ask(server.Address, "/version", host)));
        }
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("0.0.0.0")]
    public async Task Allowed_hosts_are_the_only_further_names_on_loopback_and_beyond(string address)
    {
        await using var server = await Server(address, "takt.example, *.team.example");
        foreach (var known in new[] { "takt.example", "TAKT.example", "a.team.example", "localhost" }) Assert.Equal((known, 200), (known, await Ask(server.Address, Search, known)));
        foreach (var foreign in new[] { "team.example", "takt.example.evil" }) Assert.Equal((foreign, 403), (foreign, await Ask(server.Address, Search, foreign)));
    }

    [Theory]
    [InlineData("0.0.0.0", null)]
    [InlineData("127.0.0.1", "*")]
    public async Task A_server_beyond_loopback_has_any_name_that_its_proxy_gives_it_and_with_a_star_one_on_loopback_too(string address, string? allowed)
    {
        await using var server = await Server(address, allowed);
        Assert.Equal(200, await Ask(server.Address, Search, "mlflow.example"));
    }

    Task<TaktServer> Server(string address, string? allowed = null)
    {
        var folder = TaktFolder.At(_folder);
        return TaktServer.Start(folder, address, 0, TaktOptions.Read(folder) with { AllowedHosts = new("allowed-hosts", allowed, "test") });
    }

    static async Task<int> Ask(Uri address, string path, string host, string? body = null)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{address.Port}") };
        using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Host = $"{host}:{address.Port}";
        using var answer = await http.SendAsync(request);
        return (int)answer.StatusCode;
    }
}
