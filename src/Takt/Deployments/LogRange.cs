namespace Takt.Deployments;

/// <summary>What of a prediction log is wanted, so that the whole log need not be read, nor what other servers wrote be fetched. It only leaves out files, never rows: more than was asked for can come.</summary>
/// <param name="From">Predictions whose event time is not before this.</param>
/// <param name="ReceivedFrom">Predictions that came to a server then or later.</param>
/// <param name="ReceivedTo">Predictions that came to a server then or before.</param>
/// <param name="Newest">So many of the newest by when they came; null: all.</param>
public sealed record LogRange(DateTimeOffset? From = null, DateTimeOffset? ReceivedFrom = null, DateTimeOffset? ReceivedTo = null, int? Newest = null)
{
    public static readonly LogRange All = new();

    /// <summary>Those segments of which something is wanted; labels can belong to any prediction, and whether one by key belongs to an earlier is seen by the later.</summary>
    internal List<SegmentFacts> Of(IEnumerable<SegmentFacts> segments)
    {
        var wanted = segments.Where(s => s.Kind is "labels" or "keyed" || ((From is null || s.Time.To >= From) && (ReceivedFrom is null || s.Received.To >= ReceivedFrom) && (ReceivedTo is null || s.Kind == "keys" || s.Received.From <= ReceivedTo))).ToList();
        if (Newest is not { } most) return wanted;
        var (rows, edge) = (0L, DateTimeOffset.MaxValue);
        foreach (var segment in wanted.Where(s => s.Kind == "predictions").OrderByDescending(s => s.Received.From))
        {
            // of the files that begin latest enough rows: whatever ended before the first of these is older than all of them
            edge = segment.Received.From;
            if ((rows += segment.Rows) >= most) break;
        }
        return rows < most ? wanted : wanted.FindAll(s => s.Kind is "labels" or "keyed" || s.Received.To >= edge);
    }
}
