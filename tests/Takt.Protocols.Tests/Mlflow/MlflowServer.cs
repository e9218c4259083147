using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Takt.Server;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>A real server on a free port over an empty folder.</summary>
sealed class MlflowServer : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;
    readonly WebApplication _web;

    MlflowServer(bool testing, string? database, string? blobs, Takt.Server.Protocols.S3.S3Keys? s3Keys, string? gateway)
    {
        var folder = new TaktFolder(_folder, Path.Combine(_folder, ".takt"));
        _app = TaktApp.Open(folder, options: TaktOptions.Read(folder, database, blobs) with { Testing = testing, S3Keys = s3Keys, Gateway = new("gateway", gateway, "test") });
        _web = TaktHost.Build(_app, builder => builder.WebHost.UseKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(System.Net.IPAddress.Loopback, 0);
        }));
    }

    public HttpClient Client { get; private set; } = null!;

    public TaktApp App => _app;

    public static async Task<MlflowServer> Start(bool testing = false, string? database = null, string? blobs = null, Takt.Server.Protocols.S3.S3Keys? s3Keys = null, string? gateway = null)
    {
        var server = new MlflowServer(testing, database, blobs, s3Keys, gateway);
        await server._web.StartAsync();
        var address = server._web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        server.Client = new HttpClient { BaseAddress = new Uri(address) };
        return server;
    }

    public async Task<(int Status, string Body)> Send(string method, string path, string? json = null, string? workspace = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Client.BaseAddress!.GetLeftPart(UriPartial.Authority) + path));
        if (json is not null) request.Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json");
        if (workspace is not null) request.Headers.Add("X-MLFLOW-WORKSPACE", workspace);
        using var response = await Client.SendAsync(request);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _web.DisposeAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
