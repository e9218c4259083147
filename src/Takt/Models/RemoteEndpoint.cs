namespace Takt.Models;

/// <summary>An endpoint elsewhere that answers in place of a model.</summary>
/// <param name="Url"><c>…/v2/models/NAME</c>, with or without a version, or MLflow's <c>…/invocations</c>.</param>
/// <param name="Headers">Sent with each request; values hold secrets by name only (<c>${secrets.NAME}</c>).</param>
/// <param name="Timeout">Of one request, with the time to connect.</param>
/// <param name="Connections">At most; so many requests are under way at once.</param>
/// <param name="Inputs">What it takes, where it can't say so itself.</param>
/// <param name="Outputs">What it gives; null: as it says, or as its first answer is.</param>
public sealed record RemoteEndpoint(string Url, IReadOnlyDictionary<string, string>? Headers, TimeSpan Timeout, int Connections, IReadOnlyList<Field>? Inputs, IReadOnlyList<Field>? Outputs)
{
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsInvocations => Url.EndsWith("/invocations", StringComparison.Ordinal);
}
