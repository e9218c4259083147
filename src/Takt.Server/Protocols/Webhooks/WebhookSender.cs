using System.Globalization;
using System.Text;
using System.Text.Json;
using Takt.Models;

namespace Takt.Server.Protocols.Webhooks;

/// <summary>Sends one message to one webhook, signed as MLflow signs it.</summary>
sealed class WebhookSender(Models.Webhooks webhooks, TimeProvider time, TimeSpan? patience = null) : IDisposable
{
    /// <summary>For a message and its answer together.</summary>
    readonly TimeSpan _patience = patience ?? TimeSpan.FromSeconds(30);

    /// <summary>Of the answer of a test, in bytes.</summary>
    const int LongestAnswer = 64 << 10;

    readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, // the address was checked, where it leads to was not
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        ConnectTimeout = TimeSpan.FromSeconds(10),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public Task<WebhookResult> Send(WebhookDelivery delivery, CancellationToken cancel) => Send(delivery.Webhook, delivery.Url, delivery.Id, delivery.Body, cancel);

    /// <summary>Sends an example of the event, once.</summary>
    public async Task<WebhookResult> Test(Webhook webhook, WebhookEvent what, CancellationToken cancel)
    {
        var result = await Send(webhook.Id, webhook.Url, Guid.NewGuid().ToString(), Models.Webhooks.Body(what, time.GetUtcNow(), json => Example(json, what)), cancel);
        return result.Error is null ? result : result with { Error = $"Failed to test webhook: {result.Error}" };
    }

    async Task<WebhookResult> Send(string webhook, string url, string delivery, string body, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(_patience);
        try
        {
            webhooks.CheckUrl(url); // one that was stored while --testing allowed it
            var timestamp = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
            request.Content.Headers.ContentType = new("application/json");
            request.Headers.Add("X-MLflow-Delivery-Id", delivery);
            request.Headers.Add("X-MLflow-Timestamp", timestamp);
            request.Headers.UserAgent.ParseAdd($"takt/{TaktHost.Version}");
            if (webhooks.Signature(webhook, delivery, timestamp, body) is { } signature) request.Headers.TryAddWithoutValidation("X-MLflow-Signature", signature);
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            var after = answer.Headers.RetryAfter?.Delta ?? (answer.Headers.RetryAfter?.Date is { } date ? date - time.GetUtcNow() : null);
            return new((int)answer.StatusCode, await Text(answer, limit.Token), null, after);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return new(null, null, e is OperationCanceledException ? $"no answer within {_patience.TotalSeconds} s" : e.Message);
        }
        catch (TaktException e)
        {
            return new(null, null, e.Message);
        }
    }

    /// <summary>As much of it as comes: whether the message was taken is told by the status.</summary>
    static async Task<string> Text(HttpResponseMessage answer, CancellationToken cancel)
    {
        var buffer = new byte[LongestAnswer];
        var length = 0;
        try
        {
            await using var stream = await answer.Content.ReadAsStreamAsync(cancel);
            for (int n; length < buffer.Length && (n = await stream.ReadAsync(buffer.AsMemory(length), cancel)) > 0;) length += n;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
        }
        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    static void Example(Utf8JsonWriter json, WebhookEvent what)
    {
        var prompt = what.Entity.StartsWith("prompt", StringComparison.Ordinal);
        var kind = what.Entity switch { "registered_model" => "registered model", "prompt" => "prompt", "prompt_version" => "prompt version", _ => "model version" };
        json.WriteString("name", prompt ? "example_prompt" : "example_model");
        if (what.Entity is "registered_model" or "prompt" or "model_version" or "prompt_version")
        {
            if (what.Entity is "model_version" or "prompt_version") json.WriteString("version", "1");
            if (what.Entity == "prompt_version") json.WriteString("template", "Hello {{name}}!");
            if (what.Entity == "model_version")
            {
                json.WriteString("source", "models:/123");
                json.WriteString("run_id", "abcd1234abcd5678");
            }
            json.WriteStartObject("tags");
            json.WriteString("example_key", "example_value");
            json.WriteEndObject();
            json.WriteString("description", $"An example {kind}");
        }
        else if (what.Entity.EndsWith("_alias", StringComparison.Ordinal))
        {
            json.WriteString("alias", "example_alias");
            if (what.Action == "created") json.WriteString("version", "1");
        }
        else
        {
            if (what.Entity is "model_version_tag" or "prompt_version_tag") json.WriteString("version", "1");
            json.WriteString("key", "example_key");
            if (what.Action == "set") json.WriteString("value", "example_value");
        }
    }

    public void Dispose() => _http.Dispose();
}
