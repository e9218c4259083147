using System.Text.RegularExpressions;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>MLflow's limits and the names it allows.</summary>
static partial class MlflowLimits
{
    const int LongestKey = 250;
    const int LongestParam = 6000;
    const int LongestTag = 8000;
    const int LongestExperimentName = 500;

    public static void MetricOrParam(string key, string what)
    {
        if (!Names().IsMatch(key))
            throw TaktException.Invalid($"Invalid value \"{key}\" for parameter 'key' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).");
        if (key.StartsWith('/') || key.EndsWith('/') || key.Contains("//") || key.Split('/').Any(part => part is "." or ".."))
            throw TaktException.Invalid($"Invalid value \"{key}\" for parameter 'key' supplied: Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '{key.Trim('/')}'");
        Key(key, what);
    }

    public static void Key(string key, string what)
    {
        if (key.Length > LongestKey) throw TaktException.Invalid($"'{what}' exceeds the maximum length of {LongestKey} characters");
    }

    /// <summary>Longer values are cut, as MLflow does unless told otherwise.</summary>
    public static string Param(string value) => Cut(value, LongestParam);

    /// <inheritdoc cref="Param"/>
    public static string Tag(string value) => Cut(value, LongestTag);

    public static string ExperimentName(string name) => name.Length <= LongestExperimentName ? name
        : throw TaktException.Invalid($"'name' exceeds the maximum length of {LongestExperimentName} characters");

    static string Cut(string value, int length) =>
        value.Length <= length ? value : value[..(char.IsHighSurrogate(value[length - 1]) ? length - 1 : length)];

    [GeneratedRegex(@"^[/\w.\- :]+$")]
    private static partial Regex Names();
}
