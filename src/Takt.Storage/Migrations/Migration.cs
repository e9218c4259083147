using System.Reflection;

namespace Takt.Storage.Migrations;

/// <summary>One step of the schema: <c>NNN_name.sql</c>. Never edited once released; a later one changes what it made.</summary>
/// <param name="Text">Lines between <c>--sqlite</c> or <c>--postgresql</c> and <c>--end</c> are for that engine only.</param>
sealed record Migration(string Name, string Text)
{
    /// <summary>Those of this version of Takt, in order.</summary>
    public static IReadOnlyList<Migration> Embedded { get; } = Assembly.GetExecutingAssembly().GetManifestResourceNames()
        .Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name => new Migration(name, Resource(name))).ToList();

    public string For(SqlDialect dialect)
    {
        var kept = new List<string>();
        string? only = null;
        foreach (var line in Text.Split('\n'))
        {
            if (line.StartsWith("--end", StringComparison.Ordinal)) only = null;
            else if (line.StartsWith("--sqlite", StringComparison.Ordinal)) only = nameof(SqlDialect.Sqlite);
            else if (line.StartsWith("--postgresql", StringComparison.Ordinal)) only = nameof(SqlDialect.PostgreSql);
            else if (only is null || only == dialect.ToString()) kept.Add(line);
        }
        return string.Join('\n', kept);
    }

    static string Resource(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
