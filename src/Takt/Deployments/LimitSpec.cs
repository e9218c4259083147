namespace Takt.Deployments;

/// <summary>What an endpoint takes, and from whom.</summary>
/// <param name="PerSecond">Requests a second of one key, on average; null: any number.</param>
/// <param name="Burst">So many of them at once, 1 at least.</param>
/// <param name="By">What the key is: <c>client</c> (its address), <c>all</c> (one key for the endpoint), or <c>header NAME</c> (without it, the client's address).</param>
/// <param name="Timeout">A request whose turn has not come by then is not begun; null: it waits.</param>
/// <param name="Body">Bytes of a request, at most.</param>
/// <param name="Rows">Rows of a request, at most.</param>
/// <param name="Waiting">Requests that wait for their turn on one server, at most.</param>
/// <param name="AtOnce">Requests that compute at once on one server; 0: two a core, four at least.</param>
/// <param name="Shared">The rate is that of all servers together: each takes its part, by how many live. Else it is that of each.</param>
public sealed record LimitSpec(
    double? PerSecond = null, int Burst = 1, string By = LimitSpec.OfClient, TimeSpan? Timeout = null, long Body = LimitSpec.MostBody, int Rows = LimitSpec.MostRows, int Waiting = Slot.Queue, int AtOnce = 0,
    bool Shared = false)
{
    public const string OfClient = "client", OfAll = "all";
    public const long MostBody = 64 << 20;
    public const int MostRows = 100_000;

    /// <summary>The header that holds the key; null: it is none.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? Header => By.StartsWith("header ", StringComparison.Ordinal) ? By[7..] : null;
}
