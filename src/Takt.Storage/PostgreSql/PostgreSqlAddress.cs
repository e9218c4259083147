using Npgsql;

namespace Takt.Storage.PostgreSql;

/// <summary>Where a PostgreSQL is: <c>postgres://user@host:5432/database?search_path=takt&amp;sslmode=require</c>, or Npgsql's <c>Host=…;Database=…</c>.</summary>
/// <remarks>The password comes from PGPASSWORD or ~/.pgpass (Npgsql reads both), so that no list of processes shows it.</remarks>
static class PostgreSqlAddress
{
    /// <summary>What a URL may set, and the name that Npgsql has for it.</summary>
    static readonly Dictionary<string, string> Known = new(StringComparer.Ordinal)
    {
        ["search_path"] = "Search Path",
        ["sslmode"] = "SSL Mode",
        ["sslrootcert"] = "Root Certificate",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["connect_timeout"] = "Timeout",
        ["application_name"] = "Application Name",
        ["pool_size"] = "Maximum Pool Size",
    };

    static bool IsUrl(string address) =>
        address.StartsWith("postgres://", StringComparison.Ordinal) || address.StartsWith("postgresql://", StringComparison.Ordinal);

    /// <exception cref="TaktException">Invalid; the message holds no password.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string address)
    {
        try
        {
            var settings = IsUrl(address) ? Url(address) : new NpgsqlConnectionStringBuilder(address);
            if (string.IsNullOrEmpty(settings.Host)) throw TaktException.Invalid("the database address names no host, such as postgres://takt@db.example:5432/takt");
            if (string.IsNullOrEmpty(settings.SearchPath)) settings.SearchPath = "public";
            if (!settings.SearchPath.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_') || char.IsAsciiDigit(settings.SearchPath[0]))
                throw TaktException.Invalid($"search_path '{settings.SearchPath}' must be one schema, of lower-case letters, digits and _");
            if (string.IsNullOrEmpty(settings.ApplicationName)) settings.ApplicationName = "takt";
            // preferred by default, that asks Kerberos' library, which writes to stderr where it is not installed, as in small images
            if (!settings.ContainsKey("GSS Encryption Mode")) settings.GssEncryptionMode = GssEncryptionMode.Disable;
            settings.MaxAutoPrepare = 200;
            return settings;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or UriFormatException)
        {
            throw TaktException.Invalid("the database address can't be read; it looks like postgres://user@host:5432/database?search_path=takt");
        }
    }

    static NpgsqlConnectionStringBuilder Url(string address)
    {
        var url = new Uri(address);
        var user = url.UserInfo.Split(':', 2);
        var settings = new NpgsqlConnectionStringBuilder { Host = url.Host, Port = url.Port < 0 ? 5432 : url.Port };
        if (user[0].Length > 0) settings.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1) settings.Password = Uri.UnescapeDataString(user[1]);
        if (url.AbsolutePath.Length > 1) settings.Database = Uri.UnescapeDataString(url.AbsolutePath[1..]);
        foreach (var (name, value) in UrlQuery.Of(url))
            settings[Known.TryGetValue(name, out var known) ? known
                : throw TaktException.Invalid($"'{name}' is not a setting of a database address; there are: {string.Join(", ", Known.Keys)}")] = value;
        return settings;
    }

    /// <summary>For messages: host, port, database and schema, nothing secret.</summary>
    public static string Place(NpgsqlConnectionStringBuilder settings) =>
        $"postgres://{settings.Host}:{settings.Port}/{settings.Database ?? settings.Username}{(settings.SearchPath == "public" ? "" : $"?search_path={settings.SearchPath}")}";
}
