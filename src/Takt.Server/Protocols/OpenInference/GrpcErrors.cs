using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>Takt's errors as the statuses of gRPC.</summary>
static class GrpcErrors
{
    /// <summary>A message goes in a header, percent-encoded; clients of gRPC's C core take 8 KiB of headers by default.</summary>
    const int LongestMessage = 4096;

    public static RpcException Of(Exception e, ServerCallContext context, ILogger log)
    {
        switch (e)
        {
            case RpcException known:
                return known;
            case TaktException own:
                var trailers = new Metadata();
                if (own.Error is TaktError.Unavailable or TaktError.TooMany)
                {
                    var wait = (long)Math.Max(1, Math.Ceiling((own.RetryAfter ?? TimeSpan.FromSeconds(1)).TotalSeconds));
                    trailers.Add("retry-after", wait.ToString());
                    trailers.Add("grpc-retry-pushback-ms", (wait * 1000).ToString());
                }
                return new RpcException(new Status(Code(own.Error), Short(string.Join("; ", own.Faults))), trailers);
            case OperationCanceledException when context.Deadline <= TimeProvider.System.GetUtcNow().UtcDateTime:
                return new RpcException(new Status(StatusCode.DeadlineExceeded, "the deadline is over"));
            case OperationCanceledException or ObjectDisposedException when context.CancellationToken.IsCancellationRequested:
            case OperationCanceledException:
                return new RpcException(new Status(StatusCode.Cancelled, "the call was cancelled"));
            default:
                var trace = context.GetHttpContext().TraceIdentifier;
                log.LogError(e, "Call {Method} failed; trace id {TraceId}", context.Method, trace);
                return new RpcException(new Status(StatusCode.Internal, $"a bug in Takt; the log has it under trace id {trace}"));
        }
    }

    public static StatusCode Code(TaktError error) => error switch
    {
        TaktError.Invalid => StatusCode.InvalidArgument,
        TaktError.NotFound => StatusCode.NotFound,
        TaktError.Conflict => StatusCode.Aborted,
        TaktError.Denied => StatusCode.PermissionDenied,
        TaktError.Unavailable => StatusCode.Unavailable,
        TaktError.TooLarge or TaktError.TooMany => StatusCode.ResourceExhausted,
        TaktError.TimedOut => StatusCode.DeadlineExceeded,
        TaktError.Cancelled => StatusCode.Cancelled,
        TaktError.NotSupported => StatusCode.Unimplemented,
        _ => StatusCode.Internal,
    };

    static string Short(string message)
    {
        var size = 0;
        for (var i = 0; i < message.Length; i++)
        {
            size += message[i] is >= ' ' and <= '~' and not '%' ? 1 : 9; // a character of three bytes, each of them %XX
            if (size > LongestMessage) return message[..(char.IsHighSurrogate(message[i - 1]) ? i - 1 : i)] + "…";
        }
        return message;
    }
}
