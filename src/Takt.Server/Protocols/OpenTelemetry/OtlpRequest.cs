using Takt.Runs.Traces;

namespace Takt.Server.Protocols.OpenTelemetry;

/// <summary>OpenTelemetry's ExportTraceServiceRequest (opentelemetry-proto, trace/v1 and common/v1), as far as traces are kept.</summary>
sealed partial class OtlpRequest
{
    /// <summary>Values of attributes in one request; each takes two bytes of it and far more of memory.</summary>
    const int MostValues = 1_000_000;

    const int DeepestValue = 48;
    const string ServiceName = "service.name";

    readonly List<NewSpan> _spans = [];
    int _values;

    OtlpRequest()
    {
    }

    /// <summary>Whether it has a resource at all.</summary>
    public bool Any { get; private set; }

    public IReadOnlyList<NewSpan> Spans => _spans;

    /// <exception cref="FormatException">It is no such message.</exception>
    /// <exception cref="TaktException">TooLarge.</exception>
    public static OtlpRequest Parse(ReadOnlySpan<byte> message)
    {
        var request = new OtlpRequest();
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 1)
            {
                request.Any = true;
                request.Resource(reader.Bytes());
            }
            else reader.Skip();
        return request;
    }

    // ResourceSpans: resource = 1, scope_spans = 2
    void Resource(ReadOnlySpan<byte> message)
    {
        var first = _spans.Count;
        string? service = null;
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 1) service = Service(reader.Bytes());
            else if (field == 2) Scope(reader.Bytes());
            else reader.Skip();
        Named(service, first);
    }

    // whose spans these are is told once for all; the root keeps it, unless it is the SDK's name for nobody
    void Named(string? service, int first)
    {
        if (service is null || service.StartsWith("unknown_service", StringComparison.Ordinal)) return;
        for (var i = first; i < _spans.Count; i++)
            if (_spans[i].Parent.Length == 0 && !_spans[i].Attributes.Exists(a => a.Key == ServiceName)) _spans[i].Attributes.Add(new(ServiceName, service));
    }

    string? Service(ReadOnlySpan<byte> message)
    {
        string? name = null;
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 1 && KeyValue(reader.Bytes(), 0) is { Key: ServiceName, Value: string text }) name = text;
            else if (field != 1) reader.Skip();
        return name;
    }

    void Scope(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 2) _spans.Add(Span(reader.Bytes()));
            else reader.Skip();
    }

    NewSpan Span(ReadOnlySpan<byte> message)
    {
        byte[] trace = [], id = [], parent = [];
        var (name, started, ended, status, text) = ("", 0UL, 0UL, 0, "");
        var attributes = new List<KeyValuePair<string, object?>>();
        var events = new List<NewSpanEvent>();
        var links = new List<NewSpanLink>();
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            switch (field)
            {
                case 1: trace = reader.Bytes().ToArray(); break;
                case 2: id = reader.Bytes().ToArray(); break;
                case 4: parent = reader.Bytes().ToArray(); break;
                case 5: name = reader.Text(); break;
                case 7: started = reader.Fixed(); break;
                case 8: ended = reader.Fixed(); break;
                case 9: attributes.Add(KeyValue(reader.Bytes(), 0)); break;
                case 11: events.Add(Event(reader.Bytes())); break;
                case 13: links.Add(Link(reader.Bytes())); break;
                case 15: (text, status) = Status(reader.Bytes()); break;
                default: reader.Skip(); break;
            }
        return new(trace, id, parent, name, started, ended, status, text, attributes, events) { Links = links };
    }

    NewSpanLink Link(ReadOnlySpan<byte> message)
    {
        byte[] trace = [], span = [];
        var attributes = new List<KeyValuePair<string, object?>>();
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            switch (field)
            {
                case 1: trace = reader.Bytes().ToArray(); break;
                case 2: span = reader.Bytes().ToArray(); break;
                case 4: attributes.Add(KeyValue(reader.Bytes(), 0)); break;
                default: reader.Skip(); break;
            }
        return new(trace, span, attributes);
    }

    NewSpanEvent Event(ReadOnlySpan<byte> message)
    {
        var (time, name) = (0UL, "");
        var attributes = new List<KeyValuePair<string, object?>>();
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            switch (field)
            {
                case 1: time = reader.Fixed(); break;
                case 2: name = reader.Text(); break;
                case 3: attributes.Add(KeyValue(reader.Bytes(), 0)); break;
                default: reader.Skip(); break;
            }
        return new(name, time, attributes);
    }

    static (string Message, int Code) Status(ReadOnlySpan<byte> message)
    {
        var (text, code) = ("", 0);
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 2) text = reader.Text();
            else if (field == 3) code = Code(reader.Whole());
            else reader.Skip();
        return (text, code);
    }

    static int Code(long status) => (int)Math.Clamp(status, 0, 2);

    KeyValuePair<string, object?> KeyValue(ReadOnlySpan<byte> message, int depth)
    {
        var key = "";
        object? value = null;
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 1) key = reader.Text();
            else if (field == 2) value = Value(reader.Bytes(), depth);
            else reader.Skip();
        return new(key, value);
    }

    void Count(int depth)
    {
        if (depth == DeepestValue) throw new FormatException($"values nested deeper than {DeepestValue}");
        if (++_values > MostValues) throw new TaktException(TaktError.TooLarge, $"The request has more than {MostValues} values of attributes; send its spans in several requests");
    }

    // AnyValue: of several the last counts
    object? Value(ReadOnlySpan<byte> message, int depth)
    {
        Count(depth);
        object? value = null;
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            switch (field)
            {
                case 1: value = reader.Text(); break;
                case 2: value = reader.Whole() != 0; break;
                case 3: value = reader.Whole(); break;
                case 4: value = reader.Real(); break;
                case 5: value = Items(reader.Bytes(), depth); break;
                case 6: value = Members(reader.Bytes(), depth); break;
                case 7: value = reader.Bytes().ToArray(); break;
                default: reader.Skip(); break;
            }
        return value;
    }

    List<object?> Items(ReadOnlySpan<byte> message, int depth)
    {
        var items = new List<object?>();
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 1) items.Add(Value(reader.Bytes(), depth + 1));
            else reader.Skip();
        return items;
    }

    List<KeyValuePair<string, object?>> Members(ReadOnlySpan<byte> message, int depth)
    {
        var members = new List<KeyValuePair<string, object?>>();
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            if (field == 1) members.Add(KeyValue(reader.Bytes(), depth + 1));
            else reader.Skip();
        return members;
    }
}
