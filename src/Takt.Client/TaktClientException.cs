using System.Net;

namespace Takt.Client;

/// <summary>The server refused, or could not be reached after all tries.</summary>
/// <param name="status">Null when no answer came.</param>
/// <param name="code">The server's word for it, such as <c>RESOURCE_DOES_NOT_EXIST</c>; empty when it said none.</param>
public sealed class TaktClientException(HttpStatusCode? status, string code, string message, Exception? inner = null) : Exception(message, inner)
{
    public HttpStatusCode? Status { get; } = status;

    public string Code { get; } = code;
}
