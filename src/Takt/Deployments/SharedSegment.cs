using Takt.Storage;

namespace Takt.Deployments;

/// <summary>A part of some server's prediction log that all servers can read.</summary>
sealed record SharedSegment(string Endpoint, string Name, string Server, string Kind, Digest Digest, long Bytes, long Rows,
    (DateTimeOffset From, DateTimeOffset To) Received, (DateTimeOffset From, DateTimeOffset To) Time) : SegmentFacts(Name, Kind, Rows, Received, Time);
