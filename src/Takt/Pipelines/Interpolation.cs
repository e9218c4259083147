using System.Text.RegularExpressions;

namespace Takt.Pipelines;

/// <summary><c>${params.x.y}</c> and <c>${env.X}</c> become their values; <c>${secrets.X}</c> stays a name, so that no value can reach a key or a log.</summary>
sealed partial class Interpolation(IReadOnlyDictionary<string, string> parameters, IReadOnlyDictionary<string, string> env, IReadOnlyList<string> secrets)
{
    public static readonly Interpolation None = new(new Dictionary<string, string>(), new Dictionary<string, string>(), []);

    public string Replace(string text, Action<string> fault) => !text.Contains("${", StringComparison.Ordinal) ? text : Hole().Replace(text, hole =>
    {
        var name = hole.Groups[1].Value.Trim();
        var (scope, key) = name.IndexOf('.') is var dot and > 0 ? (name[..dot], name[(dot + 1)..]) : ("", name);
        switch (scope)
        {
            case "": break; // ${HOME}: the shell's own
            case "params" when parameters.TryGetValue(key, out var value): return value;
            case "params":
                fault($"no param '{key}'{Nearest.Hint(key, parameters.Keys)}");
                break;
            case "env" when env.TryGetValue(key, out var value): return value;
            case "env":
                fault($"'{key}' is not declared under env:{Nearest.Hint(key, env.Keys)}");
                break;
            case "secrets" when secrets.Contains(key): return hole.Value;
            case "secrets":
                fault($"'{key}' is not listed under secrets:{Nearest.Hint(key, secrets)}");
                break;
            default:
                fault($"'{hole.Value}' is not known: use ${{params.NAME}}, ${{env.NAME}} or ${{secrets.NAME}}");
                break;
        }
        return hole.Value;
    });

    [GeneratedRegex(@"\$\{([^}]*)\}")]
    private static partial Regex Hole();
}
