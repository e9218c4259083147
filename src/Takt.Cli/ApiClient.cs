using System.CommandLine;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using Takt.Server;

namespace Takt.Cli;

/// <summary>
/// Takt's REST API for the commands on shared state: of the server that <c>--server</c> or <c>TAKT_SERVER</c> names, else of the one that runs on the
/// folder (its Unix socket), else of a host in this process that listens nowhere.
/// </summary>
sealed class ApiClient : IAsyncDisposable
{
    readonly HttpClient _http;
    readonly TaktApp? _app;
    readonly WebApplication? _web;

    ApiClient(HttpClient http, TaktApp? app = null, WebApplication? web = null)
    {
        (_http, _app, _web) = (http, app, web);
        _http.Timeout = Timeout.InfiniteTimeSpan; // a conversion or a purge takes as long as it takes; Ctrl-C ends it
    }

    public static async Task<ApiClient> Connect(ParseResult parsed)
    {
        var api = await Open(parsed);
        if ((parsed.GetValue(CommandLine.Workspace) ?? Environment.GetEnvironmentVariable("TAKT_WORKSPACE")) is { Length: > 0 } workspace && workspace != Takt.Workspace.DefaultName)
            api._http.DefaultRequestHeaders.TryAddWithoutValidation(WorkspaceHeader.Name, workspace);
        return api;
    }

    static async Task<ApiClient> Open(ParseResult parsed)
    {
        var server = parsed.GetValue(CommandLine.Server) ?? Environment.GetEnvironmentVariable("TAKT_SERVER");
        if (!string.IsNullOrEmpty(server))
            return Uri.TryCreate(server, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                ? new ApiClient(new HttpClient(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(15) }) { BaseAddress = uri })
                : throw TaktException.Invalid($"'{server}' is no address of a server, such as http://127.0.0.1:5000");
        var folder = ProjectFolder.Served(parsed);
        var running = await Socket(folder.Socket);
        Terminal.Detail(running ? $"asks the server that runs on {folder.Root}" : $"no server runs on {folder.Root}: answered in this process");
        if (running) return new ApiClient(new HttpClient(new SocketsHttpHandler { ConnectCallback = async (_, cancel) => await Dial(folder.Socket, cancel) }) { BaseAddress = new Uri("http://takt") });
        var app = ProjectFolder.Open(parsed, folder);
        var web = TaktHost.Build(app, builder => builder.WebHost.UseTestServer());
        await web.StartAsync();
        return new ApiClient(web.GetTestClient(), app, web);
    }

    /// <summary>No server was found: a host in this process answers, for as long as the command takes.</summary>
    public bool InProcess => _web is not null;

    public Task<JsonObject> Get(string path, CancellationToken cancel) => Send(HttpMethod.Get, path, cancel);

    public Task<JsonObject> Delete(string path, CancellationToken cancel) => Send(HttpMethod.Delete, path, cancel);

    public Task<JsonObject> Post(string path, CancellationToken cancel, JsonNode? body = null) => Send(HttpMethod.Post, path, cancel, body);

    /// <exception cref="TaktException">What the server answered, or Unavailable when there is none.</exception>
    async Task<JsonObject> Send(HttpMethod method, string path, CancellationToken cancel, JsonNode? body = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var request = new HttpRequestMessage(method, path);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        try
        {
            using var answer = await _http.SendAsync(request, cancel);
            Terminal.Detail($"{method} {path} → {(int)answer.StatusCode} in {TimeProvider.System.GetElapsedTime(began).TotalMilliseconds:0} ms");
            var json = JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancel)) as JsonObject;
            if (answer.IsSuccessStatusCode && json is not null) return json;
            var error = json?["error"] as JsonObject;
            var code = Enum.TryParse<TaktError>(error?["code"]?.GetValue<string>(), out var known) ? known : TaktError.Unavailable;
            throw new TaktException(code, error?["message"]?.GetValue<string>() ?? $"{_http.BaseAddress} answered {(int)answer.StatusCode} to {method} {path}: is it a Takt server?");
        }
        catch (HttpRequestException e)
        {
            throw new TaktException(TaktError.Unavailable, $"no server answers at {_http.BaseAddress}: {e.Message}; start `takt serve` there, or leave --server and TAKT_SERVER out to work on the folder itself", e);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new TaktException(TaktError.Unavailable, $"no server answers at {_http.BaseAddress}: it took too long to connect", e);
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Unavailable, $"{_http.BaseAddress} did not answer in JSON: is it a Takt server?", e);
        }
    }

    static async Task<bool> Socket(string path)
    {
        if (!File.Exists(path)) return false;
        try
        {
            await using var _ = await Dial(path, CancellationToken.None);
            return true;
        }
        catch (SocketException)
        {
            return false; // left behind by a server that was killed
        }
    }

    static async Task<NetworkStream> Dial(string path, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_web is not null) await _web.DisposeAsync();
        if (_app is not null) await _app.DisposeAsync();
    }
}
