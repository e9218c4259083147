namespace Takt.Storage;

static class UrlQuery
{
    /// <summary>The settings behind the <c>?</c>, unescaped.</summary>
    public static IEnumerable<(string Name, string Value)> Of(Uri url)
    {
        foreach (var part in url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = part.Split('=', 2);
            yield return (Uri.UnescapeDataString(pair[0]), pair.Length > 1 ? Uri.UnescapeDataString(pair[1]) : "");
        }
    }
}
