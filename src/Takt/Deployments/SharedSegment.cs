using Takt.Storage;

namespace Takt.Deployments;

/// <summary>A part of some server's prediction log that all servers can read.</summary>
/// <param name="Name">Sorts by the time of writing; one a writer and journal.</param>
/// <param name="Kind"><c>predictions</c>, <c>shadows</c>, <c>labels</c>, <c>keyed</c> (labels by key) or <c>keys</c> (of predictions).</param>
/// <param name="Received">When its first and its last row came to the server; of labels, the times that they tell.</param>
/// <param name="Time">Event times of its rows.</param>
sealed record SharedSegment(string Endpoint, string Name, string Server, string Kind, Digest Digest, long Bytes, long Rows,
    (DateTimeOffset From, DateTimeOffset To) Received, (DateTimeOffset From, DateTimeOffset To) Time);
