using System.Globalization;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Models;

/// <summary>What a search of the registry says in its filter and order, as SQL. Messages are those that MLflow's clients know.</summary>
static class CatalogSearch
{
    static readonly string[] NumberOperators = [">", ">=", "!=", "=", "<", "<="];

    public static string Entity(FilterClause clause) => clause.Entity?.ToLowerInvariant() switch
    {
        null or "attribute" or "attributes" => "attribute",
        "tag" or "tags" => "tag",
        _ => throw TaktException.Invalid($"Invalid entity type '{clause.Entity}'. Valid entity types are ('attribute', 'tag', 'tags')"),
    };

    public static Sql TextTest(string column, FilterClause clause, SqlDialect dialect, bool lists = false) => SearchSql.TextTest(column, clause, dialect, lists: lists, plain: "attribute");

    /// <summary>Of a version: one of its texts.</summary>
    public static Sql VersionText(string column, FilterClause clause, SqlDialect dialect, bool lists = false) => !clause.IsNumber ? TextTest(column, clause, dialect, lists)
        : throw TaktException.Invalid("Only the '{'creation_timestamp', 'version_number', 'last_updated_timestamp'}' attributes support comparison with numeric values.");

    public static Sql VersionTest(FilterClause clause)
    {
        if (clause.IsList) throw TaktException.Invalid("Only the 'run_id' attribute supports comparison with a list of quoted string values.");
        if (!NumberOperators.Contains(clause.Operator)) throw TaktException.Invalid($"Invalid comparator for attribute version_number: {clause.Operator}");
        return double.TryParse(clause.Values[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? (Sql)$"v.version {Sql.Raw(clause.Operator)} {number}" : throw TaktException.Invalid($"Expected numeric value type for attribute version_number. Found {clause.Raw}");
    }

    public static Sql Tagged(string table, string link, FilterClause clause, SqlDialect dialect) =>
        $"exists(select 1 from {Sql.Raw(table)} t where {Sql.Raw(link)} and t.key = {clause.Key} and {SearchSql.TextTest("t.value", clause, dialect, "tag (e.g. 'my-value')", plain: "tag")})";

    /// <summary>Prompts are found by who says so in the filter, models by everybody else; what else the filter says of that tag tells nothing.</summary>
    public static bool TakePromptClauses(List<FilterClause> clauses)
    {
        var said = clauses.FindAll(c => c.Key == ModelCatalog.PromptTag && c.Entity?.ToLowerInvariant() is "tag" or "tags");
        if (said.Count == 0) return false;
        clauses.RemoveAll(said.Contains);
        var value = said[0].Text("a quoted string value for tag (e.g. 'my-value')");
        return said[0].Operator switch
        {
            "=" => value.Equals("true", StringComparison.OrdinalIgnoreCase),
            "!=" => value.Equals("false", StringComparison.OrdinalIgnoreCase),
            "LIKE" or "ILIKE" => false,
            var other => throw TaktException.Invalid($"Invalid comparator for tag: {other}"),
        };
    }

    public static Sql OfPrompts(string table, string of, bool prompts) =>
        $"{Sql.Raw(prompts ? "" : "not")} exists(select 1 from {Sql.Raw(table)} t where t.workspace = {Sql.Raw(of)}.workspace and t.name = {Sql.Raw(of)}.name and t.key = {ModelCatalog.PromptTag} and t.value = {"true"})";

    public static PageOrder Order(IReadOnlyList<string> orderBy, Func<string, (string Column, PageOrder.Kind Kind)> column,
        (string Column, PageOrder.Kind Kind, bool Descending)[] usual, params (string Column, PageOrder.Kind Kind, bool Descending)[] ties)
    {
        var keys = new List<PageOrder.Key>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var text in orderBy)
        {
            var (entity, key, direction) = SearchSql.OrderTerm(text);
            if (entity is not (null or "attribute" or "attributes")) throw TaktException.Invalid($"Invalid order_by entity: {entity}");
            var (name, kind) = column(key);
            if (!seen.Add(name)) throw TaktException.Invalid($"`order_by` contains duplicate fields: [{string.Join(", ", orderBy.Select(o => $"'{o}'"))}]");
            keys.Add(new(Sql.Raw(name), kind, direction == "desc"));
        }
        foreach (var (name, kind, descending) in keys.Count == 0 ? [.. usual, .. ties] : ties)
            if (seen.Add(name)) keys.Add(new(Sql.Raw(name), kind, descending));
        return new PageOrder(keys);
    }
}
