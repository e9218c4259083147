using System.Globalization;

namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>How large a query may be; messages are MLflow's.</summary>
static class GraphQlLimits
{
    public const int Deepest = 10;

    /// <summary>Fields of one query, fragments spread out.</summary>
    public const int MostSelections = 1000;

    public const int LongestQuery = 200_000;

    static readonly int MostRootFields = Setting("MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS"), MostAliases = Setting("MLFLOW_SERVER_GRAPHQL_MAX_ALIASES");

    /// <summary>As MLflow counts: definition by definition, fragments not spread out. What fragments multiply is counted where they are.</summary>
    /// <exception cref="TaktException">Invalid.</exception>
    public static void Check(GraphQlDocument document)
    {
        var (roots, aliases, all) = (0, 0, 0);
        var stack = new Stack<(IReadOnlyList<GraphQlDocument.Selection> Selections, int Depth)>();
        foreach (var definition in document.Operations.Select(o => o.Selections).Concat(document.Fragments.Values.Select(f => f.Selections)))
        {
            stack.Push((definition, 1));
            while (stack.TryPop(out var set))
            {
                if (set.Depth > Deepest) throw TaktException.Invalid($"Query exceeds maximum depth of {Deepest}");
                var here = 0;
                foreach (var selection in set.Selections)
                {
                    if (selection is GraphQlDocument.Inline inline) stack.Push((inline.Selections, set.Depth));
                    if (selection is not GraphQlDocument.Field field) continue;
                    if (set.Depth == 1) roots++;
                    if (field.Alias is not null) here++;
                    if (field.Selections is not null) stack.Push((field.Selections, set.Depth + 1));
                    if (++all > MostSelections) throw TooMany();
                }
                aliases = Math.Max(aliases, here);
            }
        }
        if (roots > MostRootFields) throw Over(MostRootFields, roots, "root fields", "MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS");
        if (aliases > MostAliases) throw Over(MostAliases, aliases, "aliases", "MLFLOW_SERVER_GRAPHQL_MAX_ALIASES");
    }

    public static TaktException TooMany() => TaktException.Invalid($"Query exceeds maximum total selections of {MostSelections}");

    static TaktException Over(int most, int got, string what, string setting) =>
        TaktException.Invalid($"GraphQL queries should have at most {most} {what}, got {got} {what}. To increase the limit, set the {setting} environment variable.");

    static int Setting(string name) => int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var most) ? most : 10;
}
