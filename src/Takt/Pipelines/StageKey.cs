using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Takt.Pipelines;

/// <summary>
/// What a stage's result depends on, part by part, and the SHA-256 of it all. Equal key, equal result: nothing to run. Never in it: times of
/// files, timeouts, comments, values of secrets.
/// </summary>
/// <param name="Parts">Sorted by name: <c>command</c>, <c>in:PATH</c>, <c>param:NAME</c>, <c>env:NAME</c>, <c>fact:NAME</c>, <c>out:PATH</c>, <c>with</c> …</param>
public sealed record StageKey(Digest Id, IReadOnlyDictionary<string, string> Parts)
{
    /// <summary>Raised when the same parts would have to give another key.</summary>
    const string Format = "1";

    static readonly JsonWriterOptions Canonical = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="inputs">Each file that the stage reads and the SHA-256 of its content (an executable one marked).</param>
    public static StageKey Of(Stage stage, IReadOnlyDictionary<string, string> inputs, IReadOnlyDictionary<string, string> facts)
    {
        var parts = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["format"] = Format,
            ["kind"] = stage.Kind is { } kind ? $"takt/{kind.Name}@{kind.Version}" : "run",
        };
        if (stage.Command is { } command) parts["command"] = command;
        if (stage.With is { } with) parts["with"] = with.Canonical();
        foreach (var (path, digest) in inputs) parts["in:" + path] = digest;
        foreach (var (name, value) in stage.Params) parts["param:" + name] = value;
        foreach (var (name, value) in stage.Env) parts["env:" + name] = value;
        foreach (var name in stage.Secrets) parts["secret:" + name] = "";
        foreach (var (name, value) in facts) parts["fact:" + name] = value;
        foreach (var path in stage.AllOutputs) parts["out:" + path] = "";
        return new StageKey(Digest.Of(Json(parts)), parts);
    }

    /// <summary>An object with sorted members and no white space: the same parts give the same bytes everywhere.</summary>
    public static byte[] Json(IReadOnlyDictionary<string, string> parts)
    {
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body, Canonical))
        {
            json.WriteStartObject();
            foreach (var (name, value) in parts.OrderBy(p => p.Key, StringComparer.Ordinal)) json.WriteString(name, value);
            json.WriteEndObject();
        }
        return body.ToArray();
    }

    public string PartsJson() => Encoding.UTF8.GetString(Json(Parts));
}
