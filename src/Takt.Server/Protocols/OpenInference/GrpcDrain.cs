using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>Lets the calls of gRPC end before a stop closes their connections.</summary>
/// <remarks>
/// Kestrel closes an HTTP/2 connection as soon as its last stream has been counted as ended, which is before the stream's trailers are written, and aborts what is left of it then: a call that the stop itself
/// ends, a stream or a watch, could lose its status that way. Here the stop is told first, and connections are closed when every call has ended and Kestrel's writers, which work through queues on the thread
/// pool and tell nobody when they have, have had their turns.
/// </remarks>
sealed class GrpcDrain(IHostApplicationLifetime lifetime) : IHostedLifecycleService
{
    /// <summary>Calls that take longer are Kestrel's to wait for.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Turns that a connection's writer gets, and the pause before each.</summary>
    const int Turns = 3;

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    readonly Lock _gate = new();
    TaskCompletionSource? _none;
    int _open;

    /// <summary>Does nothing where gRPC is not listened for. Must come before what answers.</summary>
    public static void Use(IApplicationBuilder web)
    {
        if (web.ApplicationServices.GetService<GrpcDrain>() is not { } drain) return;
        web.Use(next => http =>
        {
            if (http.Request.Protocol != HttpProtocol.Http2) return next(http);
            drain.Begin();
            http.Response.OnCompleted(static state => ((GrpcDrain)state).End(), drain);
            return next(http);
        });
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        lifetime.StopApplication(); // streams and watches end by it
        var none = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _none = none;
            if (_open == 0) none.SetResult();
        }
        try
        {
            await none.Task.WaitAsync(Patience, TimeProvider.System, cancellationToken);
            for (var turn = 0; turn < Turns; turn++)
            {
                await Task.Delay(Pause, TimeProvider.System, cancellationToken);
                var queued = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                ThreadPool.UnsafeQueueUserWorkItem(static state => state.SetResult(), queued, preferLocal: false); // behind whatever waits there
                await queued.Task;
            }
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // the server has to be stopped all the same
        }
    }

    void Begin()
    {
        lock (_gate) _open++;
    }

    Task End()
    {
        lock (_gate)
            if (--_open == 0) _none?.TrySetResult();
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
