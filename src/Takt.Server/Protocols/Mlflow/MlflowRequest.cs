using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>What a client asks: the members of its JSON body, or of the query string of a GET. Numbers may come as text, as proto3's JSON has them.</summary>
sealed partial class MlflowRequest
{
    /// <summary>16 MB of a dataset's profile are the longest thing that MLflow allows.</summary>
    const int LongestBody = 32 << 20;

    /// <summary>What is asked for before the body has come; a length is easily claimed.</summary>
    const int FirstBuffer = 64 << 10;

    readonly IQueryCollection? _query;
    readonly ReadOnlyMemory<byte> _bytes;
    JsonElement? _body;

    MlflowRequest(JsonElement body, IQueryCollection? query, Workspace workspace = default)
    {
        _body = body;
        _query = query;
        Workspace = workspace;
    }

    MlflowRequest(ReadOnlyMemory<byte> bytes, Workspace workspace)
    {
        _bytes = bytes;
        Workspace = workspace;
    }

    /// <summary>Whose rows it is about: of the header <c>X-MLFLOW-WORKSPACE</c>, checked.</summary>
    public Workspace Workspace { get; }

    /// <summary>The body as it came. Calls that are made often read it without a tree of it.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.Span;

    JsonElement Body => _body ??= Parse(_bytes);

    /// <exception cref="TaktException">TooLarge. One that is no JSON object is Invalid as soon as a member of it is asked for.</exception>
    public static async Task<MlflowRequest> Read(HttpContext http)
    {
        var workspace = http.Workspace();
        if (HttpMethods.IsGet(http.Request.Method)) return new(default, http.Request.Query, workspace);
        RequireJson(http.Request);
        if (http.Request.ContentLength > LongestBody) throw TooLong();
        return new(await ReadBody(http), workspace);
    }

    public static MlflowRequest Of(JsonElement member) =>
        member.ValueKind == JsonValueKind.Object ? new(member, null) : throw TaktException.Invalid("Invalid value: an object was expected. See the API docs for more information about request parameters.");

    /// <summary>An object that stands for a request's body.</summary>
    public static MlflowRequest Of(JsonElement body, Workspace workspace) => new(body, null, workspace);

    /// <summary>Its members are those of a query string: all texts.</summary>
    public bool IsQuery => _query is not null;

    /// <exception cref="TaktException">Invalid: it is not there or empty.</exception>
    public string Text(string name) => TextOrNull(name) is { Length: > 0 } text ? text : throw Missing(name);

    public string? TextOrNull(string name)
    {
        if (_query is not null) return _query.TryGetValue(name, out var values) ? values[^1] : null;
        if (!Find(name, out var value)) return null;
        // clients before 0.9.1 send an experiment's id as a number
        if (name == "experiment_id" && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _)) return value.GetRawText();
        return value.ValueKind == JsonValueKind.String ? String(name, value) : throw Wrong(name, value);
    }

    /// <summary>Text, or a number's digits.</summary>
    public string? IdOrNull(string name) => _query is null && Find(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetRawText() : TextOrNull(name);

    /// <summary>The run, under its newer or its older name.</summary>
    public string Run() => TextOrNull("run_id") is { Length: > 0 } id ? id : TextOrNull("run_uuid") is { Length: > 0 } old ? old : throw Missing("run_id");

    public long Experiment() =>
        TextOrNull("experiment_id") is not { Length: > 0 } text ? throw Missing("experiment_id")
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id
        : throw TaktException.NotFound($"No Experiment with id={text} exists");

    public long? NumberOrNull(string name)
    {
        if (IdOrNull(name) is not { } text || (IsQuery && text.Length == 0)) return null;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) return number;
        // 1e3 and 5.0 are whole numbers too; a number's fraction is cut, as MLflow's check does, a text's is wrong
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && Math.Abs(real) < 9e18
            && (real == Math.Floor(real) || (_query is null && Find(name, out var given) && given.ValueKind == JsonValueKind.Number))
            ? (long)real : throw (_query is null && Find(name, out var value) ? Wrong(name, value) : Wrong(name, MlflowLimits.Quoted(text)));
    }

    /// <summary>True is 1 and false 0, as Python has it.</summary>
    /// <exception cref="TaktException">Invalid: it is not there, or no number, truth value, NaN, Infinity or -Infinity.</exception>
    public double Real(string name)
    {
        if (!Find(name, out var value)) throw Missing(name);
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number)) return number;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.ValueKind == JsonValueKind.True ? 1 : 0;
        if (value.ValueKind != JsonValueKind.String) throw Wrong(name, value);
        var text = String(name, value);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number) ? number : throw Wrong(name, value);
    }

    public bool FlagOrFalse(string name) => Find(name, out var value) && value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, value),
    };

    /// <inheritdoc cref="GivenTexts"/>
    public List<MlflowRequest> GivenObjects(string name) => Find(name, out _) ? Objects(name) : throw Missing(name);

    public List<MlflowRequest> Objects(string name) => Items(name, value => value.ValueKind == JsonValueKind.Object ? Of(value) : throw Wrong(name, value));

    public List<string> Texts(string name)
    {
        if (_query is not null) return _query.TryGetValue(name, out var values) ? [.. values.Select(v => v ?? "")] : [];
        return Items(name, value => value.ValueKind switch
        {
            JsonValueKind.String => String(name, value),
            JsonValueKind.Number => value.GetRawText(),
            _ => throw Wrong(name, value),
        });
    }

    /// <summary>Texts that have to be given, if only as an empty list.</summary>
    /// <exception cref="TaktException">Invalid: they are not there.</exception>
    public List<string> GivenTexts(string name) => Texts(name) is var texts && (texts.Count > 0 || Find(name, out _)) ? texts : throw Missing(name);

    /// <summary>The pairs of <c>[{"key": …, "value": …}]</c>.</summary>
    public List<KeyValuePair<string, string>> Pairs(string name) =>
        Objects(name).ConvertAll(pair => KeyValuePair.Create(pair.Text("key"), pair.TextOrNull("value") ?? ""));

    public MlflowRequest? ObjectOrNull(string name) => Find(name, out var value) ? value.ValueKind == JsonValueKind.Object ? Of(value) : throw Wrong(name, value) : null;

    /// <summary>A value of any kind; null when it is not there or null.</summary>
    public JsonElement? RawOrNull(string name) => Find(name, out var value) ? value : null;

    /// <summary>A member that is there, if only as null.</summary>
    public bool Has(string name) => _query is null ? Body.TryGetProperty(name, out _) : _query.ContainsKey(name);

    /// <summary>The pairs of <c>{"key": "value"}</c>.</summary>
    public List<KeyValuePair<string, string>> Map(string name)
    {
        var pairs = new List<KeyValuePair<string, string>>();
        if (!Find(name, out var value)) return pairs;
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(name, value);
        foreach (var member in value.EnumerateObject())
            pairs.Add(new(Whole(name, () => member.Name), member.Value.ValueKind == JsonValueKind.String ? String(name, member.Value) : throw Wrong(name, value)));
        return pairs;
    }

    List<T> Items<T>(string name, Func<JsonElement, T> read)
    {
        var items = new List<T>();
        if (!Find(name, out var value)) return items;
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(name, value);
        foreach (var item in value.EnumerateArray()) items.Add(read(item));
        return items;
    }

    bool Find(string name, out JsonElement value)
    {
        value = default;
        return _query is null && Body.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }

    static string String(string name, JsonElement value) => Whole(name, () => value.GetString()!);

    /// <summary>A text, or a name, that JSON has.</summary>
    /// <exception cref="TaktException">Invalid: half of a surrogate pair is in it.</exception>
    internal static string Whole(string name, Func<string> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            throw Wrong(name, "half of a surrogate pair"); // \ud800 alone is JSON, but no text
        }
    }

    public static TaktException Missing(string name) =>
        TaktException.Invalid($"Missing value for required parameter '{name}'. See the API docs for more information about request parameters.");

    public static TaktException Wrong(string name, JsonElement value)
    {
        var text = value.GetRawText();
        var type = value.ValueKind switch
        {
            JsonValueKind.String => "str",
            JsonValueKind.Number => text.AsSpan().IndexOfAny('.', 'e', 'E') < 0 ? "int" : "float",
            JsonValueKind.True or JsonValueKind.False => "bool",
            JsonValueKind.Array => "list",
            JsonValueKind.Object => "dict",
            _ => "NoneType",
        };
        return Wrong(name, text.Length > 200 ? text[..200] + "…" : text, type);
    }

    public static TaktException Wrong(string name, string value, string type = "str") =>
        TaktException.Invalid($"Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{type}'. See the API docs for more information about request parameters.");

    // MLflow asks POST and PUT only; pages of other sites can't send JSON under its name without having asked first
    static void RequireJson(HttpRequest request)
    {
        if (!HttpMethods.IsPost(request.Method) && !HttpMethods.IsPut(request.Method)) return;
        var type = request.ContentType.AsSpan();
        if (type.IsEmpty) throw TaktException.Invalid("Bad Request. Content-Type header is missing.");
        if (type.IndexOf(';') is > 0 and var end) type = type[..end];
        if (!type.SequenceEqual("application/json")) throw TaktException.Invalid("Bad Request. Content-Type must be one of ['application/json'].");
    }

    static TaktException NotJson() => TaktException.Invalid("The request's body is not a JSON object. See the API docs for more information about request parameters.");

    static TaktException TooLong() => new(TaktError.TooLarge, $"The request's body is longer than {LongestBody} bytes");

    static async Task<ReadOnlyMemory<byte>> ReadBody(HttpContext http)
    {
        var bytes = new byte[Math.Min(http.Request.ContentLength ?? 256, FirstBuffer) + 1];
        for (var length = 0; ;)
        {
            var n = await http.Request.Body.ReadAsync(bytes.AsMemory(length), http.RequestAborted);
            if (n == 0) return bytes.AsMemory(0, length);
            length += n;
            if (length > LongestBody) throw TooLong();
            if (length == bytes.Length) Array.Resize(ref bytes, (int)Math.Min(bytes.Length * 2L, LongestBody + 1L));
        }
    }

    static JsonElement Parse(ReadOnlyMemory<byte> bytes)
    {
        if (!Utf8.IsValid(bytes.Span)) throw TaktException.Invalid("The request's body is not text in UTF-8. See the API docs for more information about request parameters.");
        try
        {
            var body = bytes.Length == 0 ? default : Document(bytes);
            // MLflow's oldest clients send the object as a JSON string
            if (body.ValueKind == JsonValueKind.String) body = JsonDocument.Parse(body.GetString()!).RootElement;
            return body.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? JsonDocument.Parse("{}").RootElement : body.ValueKind == JsonValueKind.Object ? body : throw NotJson();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw NotJson();
        }
    }

    static JsonElement Document(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return JsonDocument.Parse(bytes).RootElement;
        }
        catch (JsonException) when (bytes.Span.IndexOf("NaN"u8) >= 0 || bytes.Span.IndexOf("Infinity"u8) >= 0)
        {
            return JsonDocument.Parse(NotFinite().Replace(Encoding.UTF8.GetString(bytes.Span), "$1\"$2\"")).RootElement;
        }
    }

    /// <summary>A metric as Python's JSON writes it when it is no number. Within a text the quotes would be escaped, so there is nothing to be found there.</summary>
    [GeneratedRegex(@"(""value""\s*:\s*)(NaN|-?Infinity)")]
    private static partial Regex NotFinite();
}
