using System.Text.Json;

namespace Takt.Runs.Traces;

/// <summary>What the spans of one trace in one call say about the trace.</summary>
sealed class SpanGroup
{
    /// <param name="part">Of a trace whose root is elsewhere and may never come: until it does, the first of its spans speaks for it.</param>
    public SpanGroup(string trace, List<Span> spans, bool part = false)
    {
        Trace = trace;
        // the same span twice in one call: the later counts
        Spans = [.. spans.AsEnumerable().Reverse().DistinctBy(s => s.Id).Reverse()];
        Root = Spans.Find(s => s.Parent is null);
        Entry = Root ?? (part ? Spans.MinBy(s => s.Started) : null);
        Started = Spans.Min(s => s.Started) / 1_000_000;
        Ended = Spans.Max(s => s.Ended) / 1_000_000;
        State = Entry is null ? null : Entry.Status == "ERROR" ? TraceLog.Error : TraceLog.Ok;
        if (Root is { } root)
        {
            Request = Attribute(root, TraceKeys.SpanInputs) is { } inputs ? TracePreview.Of(inputs, "user") : null;
            Response = Attribute(root, TraceKeys.SpanOutputs) is { } outputs ? TracePreview.Of(outputs, "assistant") : null;
        }
        Tokens = Counted(Spans);
    }

    public string Trace { get; }
    public List<Span> Spans { get; }
    public Span? Root { get; }

    /// <summary>Which names the trace and tells how it ended; null: none of these.</summary>
    public Span? Entry { get; }

    /// <summary>Unix milliseconds.</summary>
    public long Started { get; }
    public long? Ended { get; }
    public string? State { get; }
    public string? Request { get; }
    public string? Response { get; }
    public TokenCounts? Tokens { get; }

    public static TokenCounts? Counted(IEnumerable<Span> spans)
    {
        TokenCounts? sum = null;
        foreach (var span in spans)
            if (span.Content.Contains(TraceKeys.SpanTokens, StringComparison.Ordinal) && Attribute(span, TraceKeys.SpanTokens) is { } text) sum = (sum ?? default) + TokenCounts.Parse(text);
        return sum;
    }

    static string? Attribute(Span span, string key)
    {
        using var json = JsonDocument.Parse(span.Content);
        return json.RootElement.GetProperty("attributes").TryGetProperty(key, out var value) ? value.GetString() : null;
    }
}
