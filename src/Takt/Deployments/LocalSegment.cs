namespace Takt.Deployments;

/// <summary>A part of this server's prediction log, in its folder.</summary>
sealed record LocalSegment(string File, long Bytes, string Name, string Kind, long Rows, (DateTimeOffset From, DateTimeOffset To) Received, (DateTimeOffset From, DateTimeOffset To) Time)
    : SegmentFacts(Name, Kind, Rows, Received, Time);
