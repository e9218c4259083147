using System.Text.RegularExpressions;

namespace Takt.Models;

/// <summary>What an alias may be called: the one rule for every way in. Messages are those that MLflow's clients know.</summary>
static partial class ModelAlias
{
    const int Longest = 255;

    /// <summary>Means the newest version; never set.</summary>
    public const string Latest = "latest";

    public static bool Is(string alias) => alias.Length is > 0 and <= Longest && Name().IsMatch(alias) && !IsReserved(alias);

    /// <exception cref="TaktException">Invalid: no name, too long, or one that is read as a version.</exception>
    public static void CheckNew(string alias)
    {
        Check(alias);
        if (alias.Equals(Latest, StringComparison.OrdinalIgnoreCase)) throw TaktException.Invalid("'latest' alias name (case insensitive) is reserved.");
        if (IsReserved(alias)) throw TaktException.Invalid($"Version alias name '{alias}' is reserved.");
    }

    /// <summary>Of one to look up, which may be reserved.</summary>
    /// <exception cref="TaktException">Invalid.</exception>
    public static void Check(string alias)
    {
        if (alias.Length == 0) throw TaktException.Invalid("Registered model alias name cannot be empty.");
        if (!Name().IsMatch(alias)) throw TaktException.Invalid($"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).");
        if (alias.Length > Longest) throw TaktException.Invalid($"'Registered model alias name' exceeds the maximum length of {Longest} characters");
    }

    static bool IsReserved(string alias) => alias.Equals(Latest, StringComparison.OrdinalIgnoreCase) || NumberLike().IsMatch(alias);

    [GeneratedRegex(@"^[\w-]+\z")]
    private static partial Regex Name();

    // flights@7 is a version, and so is v7 to MLflow
    [GeneratedRegex(@"^[vV]?\d+\z")]
    private static partial Regex NumberLike();
}
