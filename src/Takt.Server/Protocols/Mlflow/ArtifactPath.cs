namespace Takt.Server.Protocols.Mlflow;

/// <summary>The paths of artifacts that are let in.</summary>
static class ArtifactPath
{
    const int Longest = 4096, LongestName = 1024;

    /// <summary>So often may a path have been encoded; one that still hides something is refused.</summary>
    const int MostEncodings = 8;

    /// <returns>The path without a slash at its end; empty for the root.</returns>
    /// <exception cref="TaktException">Invalid: absolute, or with <c>..</c>, plain or encoded any number of times.</exception>
    public static string Checked(string? path)
    {
        if (string.IsNullOrEmpty(path)) return "";
        // the router leaves an encoded slash as it is
        path = path.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase).TrimEnd('/');
        if (path.Contains('.') && path.Split('/') is var parts && parts.Contains(".")) path = string.Join('/', parts.Where(part => part != ".")); // log_text("./x")
        if (path.Length == 0) return "";
        if (path.Length > Longest || path.Split('/').Any(part => part.Length > LongestName)) throw Invalid();
        var plain = path;
        for (var i = 0; i < MostEncodings && plain.Contains('%'); i++)
        {
            var next = Uri.UnescapeDataString(plain);
            if (next == plain) break;
            plain = next;
        }
        return IsSafe(path) && IsSafe(plain) && Uri.UnescapeDataString(plain) == plain ? path : throw Invalid();
    }

    /// <summary>A path that names a file.</summary>
    /// <inheritdoc cref="Checked"/>
    public static string File(string? path) => Checked(path) is { Length: > 0 } file ? file : throw Invalid();

    /// <summary>A server takes <c>..</c> out of an address before anybody sees it: this is the address as it was sent.</summary>
    public static bool LeadsOut(string rawTarget)
    {
        var end = rawTarget.IndexOf('?');
        var path = end < 0 ? rawTarget : rawTarget[..end];
        if (!path.Contains("..", StringComparison.Ordinal) && !path.Contains("%2e", StringComparison.OrdinalIgnoreCase)) return false;
        for (var i = 0; i < MostEncodings && path.Contains('%'); i++) path = Uri.UnescapeDataString(path);
        return path.Split('/', '\\').Any(part => part is "..");
    }

    static bool IsSafe(string path) => !path.Contains('\\') && !path.Contains('\0') && !path.Contains('#') && !(path.Length > 1 && path[1] == ':') && !path.Contains("://", StringComparison.Ordinal)
        && !path.StartsWith("file:", StringComparison.OrdinalIgnoreCase) && !path.Split('/').Any(part => part is "" or "." or "..");

    public static TaktException Invalid() => TaktException.Invalid("Invalid path");
}
