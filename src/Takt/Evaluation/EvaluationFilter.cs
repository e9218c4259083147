using Takt.Runs;
using Takt.Storage;

namespace Takt.Evaluation;

/// <summary>Filter and order of evaluation sets (<c>d</c>), by MLflow's grammar.</summary>
static class EvaluationFilter
{
    /// <returns>Begins with <c>and</c>, or is empty.</returns>
    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static Sql Parse(string? filter, SqlDialect dialect) => SearchSql.And(FilterParser.Parse(filter).ConvertAll(clause => clause.Entity switch
    {
        null or "attribute" => OfSet(clause, dialect),
        "tag" or "tags" => OfTag(clause, dialect),
        var other => throw TaktException.Invalid($"Invalid entity type '{other}'. Valid entity types are ('attribute', 'tag', 'tags')"),
    }));

    public static Sql Order(IReadOnlyList<string> orderBy)
    {
        var terms = new List<string>();
        foreach (var text in orderBy)
        {
            var (entity, key, direction) = SearchSql.OrderTerm(text);
            if (entity is not (null or "attribute")) throw TaktException.Invalid($"Invalid order_by entity: {entity}");
            if (key is not ("name" or "created_time" or "last_update_time"))
                throw TaktException.Invalid($"Invalid attribute key '{key}' specified. Valid keys are: {{'name', 'created_time', 'last_update_time'}}");
            terms.Add($"{Column(key)} {direction}");
        }
        if (terms.Count == 0) terms.Add("d.created desc");
        return Sql.Raw(string.Join(", ", terms) + ", d.id desc");
    }

    static Sql OfTag(FilterClause clause, SqlDialect dialect) =>
        $"exists(select 1 from evaluation_set_tag x where x.evaluation_set = d.id and x.key = {clause.Key} and {SearchSql.TextTest("x.value", clause, dialect, "tag (e.g. 'my-value')", plain: "tag")})";

    static Sql OfSet(FilterClause clause, SqlDialect dialect)
    {
        if (clause.Key is not ("name" or "created_time" or "last_update_time" or "created_by" or "last_updated_by"))
            throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. Valid keys are: {{'name', 'created_time', 'last_update_time', 'created_by', 'last_updated_by'}}");
        return clause.Key is "created_time" or "last_update_time" ? SearchSql.NumberTest(Column(clause.Key), clause, $"numeric attribute: {clause.Key}", "numeric attribute")
            : SearchSql.TextTest(Column(clause.Key), clause, dialect, plain: "string attribute");
    }

    static string Column(string key) => key switch
    {
        "created_time" => "d.created",
        "last_update_time" => "d.updated",
        "created_by" => "d.created_by",
        "last_updated_by" => "d.updated_by",
        _ => "d.name",
    };
}
