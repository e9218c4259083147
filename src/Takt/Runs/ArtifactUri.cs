namespace Takt.Runs;

/// <summary>Addresses of artifacts.</summary>
static class ArtifactUri
{
    /// <summary><c>s3://bucket/root?x=1</c> to <c>s3://bucket/root/RUN/artifacts?x=1</c>.</summary>
    public static string Below(string root, params ReadOnlySpan<string> parts)
    {
        var end = root.Contains("://", StringComparison.Ordinal) || root.StartsWith("file:", StringComparison.Ordinal) ? root.IndexOfAny(['?', '#']) : -1;
        var path = (end < 0 ? root : root[..end]).TrimEnd('/');
        return $"{(path.Length == 0 ? "" : path)}/{string.Join('/', parts!)}{(end < 0 ? "" : root[end..])}";
    }
}
