using System.Text.RegularExpressions;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>MLflow's limits of the registry, and which addresses a version may have.</summary>
static partial class RegistryLimits
{
    const int LongestName = 256;
    const int LongestTagValue = 100_000;
    const int LongestDescription = 1_000_000;
    const int LongestSource = 2048;
    const int MostTags = 10_000;

    public static string Name(string name, string what = "name") => name.Length <= LongestName ? name : throw TooLong(what, LongestName);

    public static KeyValuePair<string, string> Tag(string key, string value)
    {
        Key(key);
        if (key == "mlflow.prompt.text" && value.Length > LongestTagValue) throw TaktException.Invalid($"Prompt text exceeds max length of {LongestTagValue} characters.");
        return value.Length <= LongestTagValue ? new(key, value) : throw TooLong("value", LongestTagValue);
    }

    public static void Key(string key)
    {
        MlflowLimits.Name(key, "key");
        MlflowLimits.Key(key, "key");
    }

    public static List<KeyValuePair<string, string>> Tags(MlflowRequest request)
    {
        var tags = request.Pairs("tags");
        if (tags.Count > MostTags) throw TaktException.Invalid($"A request can contain at most {MostTags} tags. Got {tags.Count} tags.");
        return tags.ConvertAll(tag => Tag(tag.Key, tag.Value));
    }

    public static string Description(string? text) => text is null ? "" : text.Length <= LongestDescription ? text : throw TooLong("description", LongestDescription);

    /// <summary>An address that leads nowhere on the server's own file system.</summary>
    /// <param name="owner">What a local path would have to be in: <c>run</c> or <c>model</c>, and its artifact root when there is one.</param>
    /// <exception cref="TaktException">Invalid.</exception>
    public static void Source(string source, string owner, string? ownerRoot)
    {
        if (source.Length > LongestSource) throw TooLong("source", LongestSource);
        if (SourcePattern is not null && !SourcePattern.IsMatch(source)) throw TaktException.Invalid($"Invalid model version source: '{source}'.");
        if (IsLocal(source))
        {
            var path = Local(source);
            if (ownerRoot is not null && IsLocal(ownerRoot) && Local(ownerRoot) is var root && (path == root || path.StartsWith(root + "/", StringComparison.Ordinal))) return;
            throw TaktException.Invalid($"Invalid model version source: '{(ownerRoot is null ? source : path)}'. To use a local path as a model version source, the {owner}_id request parameter has to be specified "
                + $"and the local path has to be contained within the artifact directory of the run specified by the {owner}_id.");
        }
        var plain = source;
        for (var i = 0; i < 16; i++)
        {
            var next = Uri.UnescapeDataString(plain.Replace('+', ' '));
            if (next == plain) break;
            plain = next;
        }
        var colon = plain.IndexOf(':');
        var rest = plain[(colon + 1)..];
        if (rest.StartsWith("//", StringComparison.Ordinal)) rest = rest.IndexOf('/', 2) is > 0 and var slash ? rest[slash..] : "";
        var end = rest.AsSpan().IndexOfAny('?', '#');
        var inner = Slashes().Replace(end < 0 ? rest : rest[..end], "/").TrimEnd('/');
        if (!inner.StartsWith('/') || inner.Contains('\0') || plain.Split('/').Contains("..") || inner.Split('/').Any(part => part is "." or ".."))
            throw TaktException.Invalid($"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, "
                + "an absolute path must be provided without relative path references present. Please provide an absolute path.");
    }

    /// <summary>A file of another machine, which is no address that MLflow takes.</summary>
    public static bool IsRemoteFile(string uri)
    {
        if (!uri.StartsWith("file://", StringComparison.OrdinalIgnoreCase)) return false;
        var host = uri["file://".Length..].Split('/', '?', '#')[0];
        host = host[(host.LastIndexOf('@') + 1)..].Split(':')[0];
        return host.Length > 0 && host != "." && !host.StartsWith("localhost", StringComparison.OrdinalIgnoreCase) && !host.StartsWith("127.0.0.1", StringComparison.Ordinal);
    }

    /// <summary>What MLflow's setting of this name lets in besides; null: everything.</summary>
    static readonly Regex? SourcePattern = Environment.GetEnvironmentVariable("MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX") is { Length: > 0 } pattern ? new Regex(pattern, RegexOptions.NonBacktracking) : null;

    public static bool IsLocal(string uri) => !Scheme().IsMatch(uri) || uri.StartsWith("file:", StringComparison.OrdinalIgnoreCase);

    static string Local(string uri)
    {
        var path = uri.StartsWith("file:", StringComparison.OrdinalIgnoreCase) ? uri["file:".Length..] : uri;
        if (path.StartsWith("//", StringComparison.Ordinal)) path = path.IndexOf('/', 2) is > 0 and var slash ? path[slash..] : "/";
        return path.Contains('\0') ? path : Path.GetFullPath("/" + Uri.UnescapeDataString(path).TrimStart('/')).TrimEnd('/');
    }

    static TaktException TooLong(string what, int most) => TaktException.Invalid($"'{what}' exceeds the maximum length of {most} characters");

    [GeneratedRegex("/+")]
    private static partial Regex Slashes();

    [GeneratedRegex(@"^[a-zA-Z][a-zA-Z0-9+.-]*:")]
    private static partial Regex Scheme();
}
