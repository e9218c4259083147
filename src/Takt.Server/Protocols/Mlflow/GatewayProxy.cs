using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>ajax-api/2.0/mlflow/gateway-proxy</c>: what MLflow's prompt engineering pages ask an AI gateway, whose address the server's owner has set.</summary>
sealed partial class GatewayProxy(string? target, HttpClient upstream)
{
    const int LongestFault = 4096;
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public async Task Ask(HttpContext http, MlflowRequest request)
    {
        if (target is null)
        {
            // as if there were a gateway with nothing behind it
            await MlflowAnswer.Write(http, json => { json.WriteStartArray("endpoints"); json.WriteEndArray(); });
            return;
        }
        var path = Checked(http.Request.Method, request.TextOrNull("gateway_path"));
        using var message = new HttpRequestMessage(new HttpMethod(http.Request.Method), $"{target.TrimEnd('/')}/{path}");
        if (!request.IsQuery && request.RawOrNull("json_data") is { } data) message.Content = JsonContent.Create(data);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        ended.CancelAfter(Patience);
        try
        {
            using var answer = await upstream.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, ended.Token);
            await using var body = await answer.Content.ReadAsStreamAsync(ended.Token);
            if ((int)answer.StatusCode != 200)
            {
                // as MLflow tells whatever the gateway refuses
                await MlflowAnswer.Error(http, 500, "INTERNAL_ERROR", $"Deployments proxy request failed with error code {(int)answer.StatusCode}. Error message: {await Beginning(body, ended.Token)}");
                return;
            }
            http.Response.ContentType = "application/json";
            await body.CopyToAsync(http.Response.Body, ended.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !http.RequestAborted.IsCancellationRequested))
        {
            if (http.Response.HasStarted) throw;
            throw new TaktException(TaktError.Unavailable, $"The gateway at {target} does not answer: {e.Message}");
        }
    }

    /// <summary>Nothing else of the gateway can be reached through this server.</summary>
    static string Checked(string method, string? path)
    {
        if (string.IsNullOrEmpty(path)) throw TaktException.Invalid("Deployments proxy request must specify a gateway_path.");
        var bare = path.Trim('/');
        return (method == "GET" ? bare == "api/2.0/endpoints" : Invocations().IsMatch(bare) && !bare.Contains("/../", StringComparison.Ordinal)) ? bare
            : throw TaktException.Invalid($"Invalid gateway_path: {path} for method: {method}");
    }

    static async Task<string> Beginning(Stream body, CancellationToken cancel)
    {
        var buffer = new byte[LongestFault];
        return Encoding.UTF8.GetString(buffer, 0, await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancel));
    }

    [GeneratedRegex(@"^gateway/[^/?#\\%]+/invocations\z")]
    private static partial Regex Invocations();
}
