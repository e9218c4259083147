using System.Net;

namespace Takt.Protocols.Tests.Client;

/// <summary>A network that loses what it is told to: answers that come back as an error, and answers that are lost after the server did the work.</summary>
sealed class FlakyHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    /// <summary>Given the request and how often one to this path was seen before: what happens instead.</summary>
    public Func<HttpRequestMessage, int, Fault> Decide { get; set; } = (_, _) => Fault.None;

    public List<string> Seen { get; } = [];

    public enum Fault { None, Refused, TryLater, AnswerLost, Broken }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var path = $"{request.Method} {request.RequestUri!.AbsolutePath}";
        int before;
        lock (Seen)
        {
            before = Seen.Count(s => s == path);
            Seen.Add(path);
        }
        switch (Decide(request, before))
        {
            case Fault.Refused: throw new HttpRequestException("connection refused");
            case Fault.TryLater:
                var later = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
                later.Headers.Add("Retry-After", "0");
                return later;
            case Fault.Broken: return new HttpResponseMessage(HttpStatusCode.InternalServerError) { Content = new StringContent("""{"error_code": "INTERNAL_ERROR", "message": "a bug"}""") };
            case Fault.AnswerLost:
                using (await base.SendAsync(request, cancellationToken)) throw new HttpRequestException("the connection was reset");
            default: return await base.SendAsync(request, cancellationToken);
        }
    }
}
