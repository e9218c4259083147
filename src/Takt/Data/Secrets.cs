using System.Text.RegularExpressions;

namespace Takt.Data;

/// <summary>Secrets by name, <c>${secrets.PG_DSN}</c>: their values come from <c>TAKT_SECRET_PG_DSN</c> and go nowhere but to whom they are meant for.</summary>
public static partial class Secrets
{
    public static string Fill(string text) => Hole().Replace(text, hole => Value(hole.Groups[1].Value.Trim()));

    /// <exception cref="TaktException">Invalid: it has no value.</exception>
    public static string Value(string name) => Environment.GetEnvironmentVariable("TAKT_SECRET_" + name) is { Length: > 0 } value ? value
        : throw TaktException.Invalid($"the secret {name} has no value: set TAKT_SECRET_{name}");

    /// <summary>A foreign message without any of the values that the text's secrets have.</summary>
    public static string Mask(string message, string text)
    {
        foreach (Match hole in Hole().Matches(text))
            if (Environment.GetEnvironmentVariable("TAKT_SECRET_" + hole.Groups[1].Value.Trim()) is { Length: > 0 } value) message = message.Replace(value, "***", StringComparison.Ordinal);
        return message;
    }

    [GeneratedRegex(@"\$\{secrets\.([^}]+)\}")]
    private static partial Regex Hole();
}
