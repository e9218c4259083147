using Microsoft.AspNetCore.Http;
using Takt.Deployments;

namespace Takt.Server.Protocols.Prometheus;

static class Answered
{
    /// <summary>Tells who answered, for the metrics of the request.</summary>
    public static void AnsweredBy(this HttpContext http, Revision revision) => http.Features.Set(new HttpDurations.Answerer(revision));
}
