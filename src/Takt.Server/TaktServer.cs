using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Takt.Runs;
using Takt.Server.Protocols;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Server;

/// <summary>A running server of one folder: the web host on a port and on the folder's Unix socket, and the workers that turn the loop.</summary>
public sealed class TaktServer : IAsyncDisposable
{
    /// <summary>Longer paths don't fit into a Unix socket's address; such a folder is served over the port alone.</summary>
    const int LongestSocketPath = 100;

    /// <summary>Open requests may take this long when the server is told to stop; Kubernetes gives 30 s before it kills.</summary>
    static readonly TimeSpan Grace = TimeSpan.FromSeconds(25);

    /// <summary>A client that takes longer to say what it wants is cut off; the body's slowest pace is Kestrel's: 240 bytes a second after 5 s.</summary>
    static readonly TimeSpan SlowestHeaders = TimeSpan.FromSeconds(10);

    readonly WebApplication _web;
    readonly FolderLock _lock;
    readonly IDisposable? _export;

    TaktServer(TaktApp app, WebApplication web, FolderLock @lock, Uri address, Uri? grpcAddress, IDisposable? export)
    {
        _export = export;
        App = app;
        _web = web;
        _lock = @lock;
        Address = address;
        GrpcAddress = grpcAddress;
    }

    public TaktApp App { get; }

    /// <summary>Where it listens, with the port that it got.</summary>
    public Uri Address { get; }

    /// <summary>Where it listens for gRPC, in clear text and HTTP/2 only; null: <see cref="TaktOptions.GrpcPort"/> is not set.</summary>
    public Uri? GrpcAddress { get; }

    /// <param name="port">0: any that is free.</param>
    /// <param name="options">Null: as the environment and <c>takt.config</c> say.</param>
    /// <exception cref="TaktException">Conflict: the folder is served already. Unavailable: the port is taken.</exception>
    public static async Task<TaktServer> Start(TaktFolder folder, string host, int port, TaktOptions? options = null, CancellationToken cancel = default)
    {
        var turn = FolderLock.TryTake(Path.Combine(folder.State, "server.lock"), $"process {Environment.ProcessId}", out var holder)
            ?? throw TaktException.Conflict($"{folder.Root} is served already by {holder}; a folder has one `takt serve`. Stop it, or use it");
        TaktApp? app = null;
        WebApplication? web = null;
        try
        {
            if (Socket(folder) is { } stale) File.Delete(stale); // of a server that was killed: the lock says that none runs
            options ??= TaktOptions.Read(folder);
            var address = Parse(host);
            app = TaktApp.Open(folder, options: options);
            web = TaktHost.Build(app, builder =>
            {
                builder.WebHost.UseKestrel(kestrel =>
                {
                    kestrel.AddServerHeader = false;
                    kestrel.Limits.MaxRequestBodySize = null; // each façade has its own limit
                    kestrel.Limits.RequestHeadersTimeout = SlowestHeaders;
                    kestrel.Listen(address, port);
                    if (options.GrpcPort is { } grpc) kestrel.ListenGrpc(address, grpc);
                    if (Socket(folder) is { } socket) kestrel.ListenUnixSocket(socket);
                });
                builder.WebHost.GiveUpAfter(options.ClientPatience);
                if (options.GrpcPort is not null) builder.Services.AddOpenInferenceGrpc();
                builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Grace);
                if (options.Roles.HasFlag(ServerRoles.Serving))
                {
                    builder.Services.AddHostedService<FleetWorker>(); // others see it before it rolls anything
                    builder.Services.AddHostedService<RolloutWorker>();
                }
                if (!options.Roles.HasFlag(ServerRoles.Control)) return;
                builder.Services.AddHostedService<LoopWorker>();
                builder.Services.AddHostedService<PurgeWorker>();
                builder.Services.AddHostedService<GarbageWorker>();
                builder.Services.AddHostedService<RefreshWorker>();
                builder.Services.AddHostedService<Protocols.Webhooks.WebhookWorker>();
            }, options.Roles, all => all.RefuseUnknownHosts(options.AllowedHosts.Value, IPAddress.IsLoopback(address)));
            await web.StartAsync(cancel);
            if (Socket(folder) is { } path && !OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            var addresses = web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses // in the order of Listen
                .Where(a => a.StartsWith("http://", StringComparison.Ordinal) && !a.Contains("unix:", StringComparison.Ordinal)).Select(a => new Uri(a)).ToList();
            return new TaktServer(app, web, turn, addresses[0], options.GrpcPort is null ? null : addresses[1], Protocols.OpenTelemetry.OtlpExport.Start(Environment.GetEnvironmentVariable));
        }
        catch (Exception e)
        {
            if (web is not null) await web.DisposeAsync();
            if (app is not null) await app.DisposeAsync();
            turn.Dispose();
            if (e is IOException { InnerException: AddressInUseException } or AddressInUseException)
            {
                var (taken, flag) = options?.GrpcPort is > 0 and var grpc && e.Message.Contains($":{grpc}:", StringComparison.Ordinal) ? (grpc, "--grpc-port") : (port, "--port");
                throw new TaktException(TaktError.Unavailable, $"port {taken} of {host} is in use by another program; choose one with {flag}, or {flag} 0 for any that is free", e);
            }
            if (e is SocketException or IOException { InnerException: SocketException }) throw new TaktException(TaktError.Unavailable, $"can't listen on {host}:{port}: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Returns when the server is told to stop (Ctrl-C, SIGTERM).</summary>
    public Task WaitForShutdown(CancellationToken cancel) => _web.WaitForShutdownAsync(cancel);

    static IPAddress Parse(string host) => IPAddress.TryParse(host is "localhost" ? "127.0.0.1" : host, out var address) ? address : throw TaktException.Invalid($"--host must be an IP address, not '{host}'");

    static string? Socket(TaktFolder folder) => !OperatingSystem.IsWindows() && folder.Socket.Length <= LongestSocketPath ? folder.Socket : null;

    /// <summary>Takes no new connection, answers what is under way, and after <paramref name="grace"/> breaks off what is left.</summary>
    public async Task Stop(TimeSpan grace)
    {
        using var limit = new CancellationTokenSource(grace);
        try
        {
            await _web.StopAsync(limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            // the grace is over
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Stop(TimeSpan.FromSeconds(10));
        await _web.DisposeAsync();
        _export?.Dispose();
        await App.DisposeAsync();
        if (Socket(App.Folder) is { } socket) File.Delete(socket);
        _lock.Dispose();
    }
}
