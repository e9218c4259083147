using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>MLflow's limits and the names it allows, with its messages.</summary>
static partial class MlflowLimits
{
    const int LongestKey = 250;
    const int LongestParam = 6000;
    const int LongestTag = 8000;
    const int LongestExperimentName = 500;
    const int LongestExperimentTag = 5000;
    const int LongestArtifactLocation = 2048;

    /// <summary>The name of a metric, param or tag.</summary>
    /// <param name="at">Where it is in the request.</param>
    public static void Name(string name, string at)
    {
        if (Plain(name)) return;
        if (!Names().IsMatch(name))
            throw Invalid(at, name, "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).");
        var path = Normal(name);
        if (path != name || path == "." || path.StartsWith("..", StringComparison.Ordinal) || path.StartsWith('/'))
            throw Invalid(at, name, $"Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '{path}'");
    }

    /// <exception cref="TaktException">Invalid: no run has such an id.</exception>
    public static string RunId(string id) =>
        id.Length is >= 1 and <= 256 && char.IsAsciiLetterOrDigit(id[0]) && id.All(c => char.IsLetterOrDigit(c) || c is '_' or '-') ? id
        : throw TaktException.Invalid($"Invalid value {Quoted(id)} for parameter 'run_id' supplied.");

    public static void Key(string key, string what)
    {
        if (key.Length > LongestKey) throw TooLong(what, LongestKey);
    }

    /// <summary>Longer values are cut, as MLflow does unless told otherwise.</summary>
    public static string Param(string value) => Cut(value, LongestParam);

    /// <inheritdoc cref="Param"/>
    public static string Tag(string value) => Cut(value, LongestTag);

    public static string ExperimentName(string name) => name.Length <= LongestExperimentName ? name : throw TooLong("name", LongestExperimentName);

    public static KeyValuePair<string, string> ExperimentTag(string key, string value)
    {
        Name(key, "key");
        Key(key, "key");
        return value.Length <= LongestExperimentTag ? new(key, value) : throw TooLong("value", LongestExperimentTag);
    }

    public static void ArtifactLocation(string location)
    {
        if (location.Length > LongestArtifactLocation)
            throw TaktException.Invalid($"Invalid artifact path length. The length of the artifact path cannot be greater than {LongestArtifactLocation} characters. "
                + "To configure this limit, please set the MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH environment variable.");
        if (location.Contains('\0')) throw TaktException.Invalid("'artifact_location' can't include null characters.");
        if (location.Contains('#') || location[(location.LastIndexOf('/') + 1)..].Contains(';'))
            throw TaktException.Invalid("'artifact_location' URL can't include fragments or params.");
        var query = location.IndexOf('?') is var mark and >= 0 ? location[mark..] : "";
        for (var i = 0; i < 10 && query.Contains('%'); i++) query = Uri.UnescapeDataString(query);
        if (query.Contains("..", StringComparison.Ordinal)) throw TaktException.Invalid("Invalid query string");
    }

    public static void Length(string? value, string what, int most)
    {
        if (value is not null && value.Length > most) throw TooLong(what, most);
    }

    public static TaktException Invalid(string at, string value, string why) => TaktException.Invalid($"Invalid value {Quoted(value)} for parameter '{at}' supplied: {why}");

    /// <summary>As Python's JSON has it: everything that is no ASCII escaped.</summary>
    public static string Quoted(string value)
    {
        var text = new StringBuilder("\"", value.Length + 2);
        foreach (var c in value.Length > 1000 ? value.AsSpan(0, 1000) : value)
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                >= ' ' and <= '~' => text.Append(c),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
            };
        return text.Append(value.Length > 1000 ? "…\"" : "\"").ToString();
    }

    /// <summary>Most names are, and need no regular expression.</summary>
    public static bool Plain(string name)
    {
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-')) return false;
        return name.Length > 0;
    }

    // Python's posixpath.normpath
    static string Normal(string path)
    {
        var root = path.StartsWith("//", StringComparison.Ordinal) && !path.StartsWith("///", StringComparison.Ordinal) ? "//" : path.StartsWith('/') ? "/" : "";
        var parts = new List<string>();
        foreach (var part in path.Split('/'))
        {
            if (part is "" or ".") continue;
            if (part != ".." || (root.Length == 0 && (parts.Count == 0 || parts[^1] == ".."))) parts.Add(part);
            else if (parts.Count > 0) parts.RemoveAt(parts.Count - 1);
        }
        var normal = root + string.Join('/', parts);
        return normal.Length == 0 ? "." : normal;
    }

    static TaktException TooLong(string what, int most) => TaktException.Invalid($"'{what}' exceeds the maximum length of {most} characters");

    static string Cut(string value, int length) =>
        value.Length <= length ? value : value[..(char.IsHighSurrogate(value[length - 1]) ? length - 1 : length)];

    [GeneratedRegex(@"^[/\w.\- :]*\z")]
    private static partial Regex Names();
}
