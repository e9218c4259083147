using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

/// <summary>
/// A client that was refused and asks again before the time that it was told is refused when that time has come, or up to half a second later, not before: clients that wait for an answer before they ask again can't
/// spend on refusals what the accepted need, nor come back all at once. The first refusal of a connection goes out at once.
/// </summary>
/// <remarks>
/// What is held takes no thread, and its body is not read; all together they may hold so many bytes, and whoever is over that is refused at once. By connection, not by address: behind one address there may be many
/// clients. Of HTTP/2, where one connection has many callers, nothing is held.
/// </remarks>
static class EarlyRetry
{
    /// <summary>What <c>Retry-After</c> says where nobody knows better, in ms.</summary>
    const int Second = 1000;

    /// <summary>What is held is held for up to so much longer, in ms, by chance: else those who were refused together would be back together.</summary>
    const int Spread = 500;

    /// <summary>Of bodies and connections that are held, together.</summary>
    const long MostBytes = 64 << 20;

    /// <summary>What a connection takes beside its body; a body of unknown length is what the server reads ahead.</summary>
    const long OfConnection = 8 << 10, ReadAhead = 1 << 20;

    static readonly object Key = new();
    static long _bytes;

    /// <returns>Done when the refusal may go out.</returns>
    /// <exception cref="OperationCanceledException">The client has gone.</exception>
    public static ValueTask Hold(HttpContext http)
    {
        if (HttpProtocol.IsHttp2(http.Request.Protocol) || http.Features.Get<IConnectionItemsFeature>()?.Items is not { } items) return default;
        var now = Environment.TickCount64;
        if (!items.TryGetValue(Key, out var known)) items[Key] = known = new Told();
        var told = (Told)known!;
        var early = told.Until - now;
        told.Until = now + Second;
        return early <= 0 ? default : Wait(http, told, TimeSpan.FromMilliseconds(early + Random.Shared.Next(Spread)));
    }

    static async ValueTask Wait(HttpContext http, Told told, TimeSpan early)
    {
        var bytes = OfConnection + Math.Min(http.Request.ContentLength ?? ReadAhead, ReadAhead);
        try
        {
            if (Interlocked.Add(ref _bytes, bytes) > MostBytes) return;
            await Task.Delay(early, http.RequestAborted);
            told.Until = Environment.TickCount64 + Second;
        }
        finally
        {
            Interlocked.Add(ref _bytes, -bytes);
        }
    }

    sealed class Told
    {
        /// <summary>When the client may come again, by the system's clock.</summary>
        public long Until { get; set; }
    }
}
