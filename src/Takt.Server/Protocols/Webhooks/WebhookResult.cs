namespace Takt.Server.Protocols.Webhooks;

/// <param name="Status">Null: no answer came.</param>
/// <param name="Body">The beginning of the answer's text.</param>
/// <param name="Error">Why no answer came.</param>
/// <param name="RetryAfter">How long the receiver wants to be left alone.</param>
sealed record WebhookResult(int? Status, string? Body, string? Error, TimeSpan? RetryAfter = null)
{
    public bool Success => Status is < 400;

    /// <summary>Another attempt may go better.</summary>
    public bool Again => Status is null or 408 or 429 or 500 or 502 or 503 or 504;
}
