using System.Globalization;
using System.Text;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>A search of runs (<c>r</c>) or experiments (<c>e</c>) as parts of a SELECT.</summary>
/// <param name="Where">Begins with <c>and</c>, or is empty.</param>
sealed record SearchSql(Sql Joins, Sql Where, Sql Order)
{
    const string ValidEntities = "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']";
    const string ValidKeys = "Valid keys are '{'run_id', 'start_time', 'artifact_uri', 'created', 'status', 'Run Name', 'Run name', 'run_name', 'end_time', 'Created', 'run name', 'user_id'}'";
    static readonly string[] NumberOperators = [">", ">=", "!=", "=", "<", "<="];
    static readonly string[] TextOperators = ["=", "!=", "LIKE", "ILIKE"];

    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static SearchSql Runs(string? filter, IReadOnlyList<string> orderBy, SqlDialect dialect)
    {
        var where = FilterParser.Parse(filter).ConvertAll(clause => RunClause(clause, dialect));
        var joins = new List<Sql>();
        var order = new List<Sql>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var text in orderBy)
        {
            var (entity, key, direction) = OrderTerm(text);
            if (!seen.Add($"{entity}.{key}")) throw TaktException.Invalid($"`order_by` contains duplicate fields: {string.Join(", ", orderBy)}");
            var alias = $"o{joins.Count}";
            var o = Sql.Raw(alias);
            switch (RunEntity(entity))
            {
                case "metric":
                    joins.Add($"left join run_metric {o} on {o}.run = r.id and {o}.key = {key}");
                    // NaN after every number and missing last, both ways
                    order.Add(Sql.Raw($"case when {alias}.value is null then 2 when {alias}.is_nan = 1 then 1 else 0 end, {alias}.value {direction}"));
                    break;
                case "param" or "tag":
                    joins.Add($"left join {Sql.Raw(RunEntity(entity) == "param" ? "run_param" : "run_tag")} {o} on {o}.run = r.id and {o}.key = {key}");
                    order.Add(Sql.Raw($"case when {alias}.value is null then 1 else 0 end, {alias}.value {direction}"));
                    break;
                case "attribute":
                    var column = RunColumn(key);
                    order.Add(Sql.Raw($"case when {column} is null then 1 else 0 end, {column} {direction}"));
                    break;
                default:
                    throw TaktException.Invalid($"Invalid order_by entity '{entity}'");
            }
        }
        if (!seen.Contains(".start_time")) order.Add(Sql.Raw("r.started desc"));
        order.Add(Sql.Raw("r.id"));
        return new(Sql.Join(" ", joins), And(where), Sql.Join(", ", order));
    }

    /// <inheritdoc cref="Runs"/>
    public static SearchSql Experiments(string? filter, IReadOnlyList<string> orderBy, SqlDialect dialect)
    {
        var where = FilterParser.Parse(filter).ConvertAll(clause => clause.Entity?.ToLowerInvariant() switch
        {
            "tag" or "tags" => Exists("experiment_tag", "x.experiment = e.id", clause, dialect),
            null or "attribute" or "attributes" or "attr" => clause.Key is "name"
                ? TextTest("e.name", clause, dialect) : NumberTest(ExperimentColumn(clause.Key), clause, "attribute"),
            var other => throw TaktException.Invalid($"Invalid entity type '{other}'. Valid values are ['tag', 'attribute']"),
        });
        var order = new List<Sql>();
        foreach (var text in orderBy)
        {
            var (_, key, direction) = OrderTerm(text);
            order.Add(Sql.Raw($"{ExperimentColumn(key)} {direction}"));
        }
        if (order.Count == 0) order.Add(Sql.Raw("e.created desc"));
        order.Add(Sql.Raw("e.id"));
        return new(Sql.Raw(""), And(where), Sql.Join(", ", order));
    }

    internal static Sql And(List<Sql> where) => where.Count == 0 ? Sql.Raw("") : $"and {Sql.Join(" and ", where)}";

    static Sql RunClause(FilterClause clause, SqlDialect dialect)
    {
        switch (RunEntity(clause.Entity))
        {
            case "metric":
                return $"exists(select 1 from run_metric x where x.run = r.id and x.key = {clause.Key} and x.is_nan = 0 and {NumberTest("x.value", clause, "metric")})";
            case "param":
                return Exists("run_param", "x.run = r.id", clause, dialect);
            case "tag":
                return Exists("run_tag", "x.run = r.id", clause, dialect);
            case "dataset":
                if (clause.Key is not ("name" or "digest" or "context"))
                    throw TaktException.Invalid($"Invalid dataset key '{clause.Key}' specified. Valid keys are '{{'name', 'digest', 'context'}}'");
                return $"exists(select 1 from run_input x where x.run = r.id and {TextTest("x." + clause.Key, clause, dialect, lists: true)})";
            default:
                var column = RunColumn(clause.Key);
                return column is "r.started" or "r.ended" ? NumberTest(column, clause, "attribute") : TextTest(column, clause, dialect, lists: column == "r.id");
        }
    }

    static string RunEntity(string? entity) => entity?.ToLowerInvariant() switch
    {
        null or "attribute" or "attributes" or "attr" or "run" => "attribute",
        "metric" or "metrics" => "metric",
        "param" or "params" or "parameter" or "parameters" => "param",
        "tag" or "tags" => "tag",
        "dataset" or "datasets" => "dataset",
        _ => throw TaktException.Invalid($"Invalid entity type '{entity}'. {ValidEntities}"),
    };

    static string RunColumn(string key) => key switch
    {
        "run_id" => "r.id",
        "run_name" or "run name" or "Run name" or "Run Name" => "r.name",
        "status" => "r.status",
        "user_id" => "r.user_id",
        "artifact_uri" => "r.artifact_uri",
        "start_time" or "created" or "Created" => "r.started",
        "end_time" => "r.ended",
        _ => throw TaktException.Invalid($"Invalid attribute key '{key}' specified. {ValidKeys}"),
    };

    static string ExperimentColumn(string key) => key switch
    {
        "name" => "e.name",
        "experiment_id" => "e.id",
        "creation_time" => "e.created",
        "last_update_time" => "e.updated",
        _ => throw TaktException.Invalid($"Invalid attribute key '{key}' specified. Valid keys are '{{'name', 'creation_time', 'last_update_time'}}'"),
    };

    static Sql Exists(string table, string link, FilterClause clause, SqlDialect dialect) =>
        $"exists(select 1 from {Sql.Raw(table)} x where {Sql.Raw(link)} and x.key = {clause.Key} and {TextTest("x.value", clause, dialect, clause.Entity)})";

    static Sql NumberTest(string column, FilterClause clause, string what)
    {
        if (!NumberOperators.Contains(clause.Operator))
            throw TaktException.Invalid($"Invalid comparator '{clause.Operator}' not one of '{{'>=', '=', '<=', '!=', '<', '>'}}'");
        if (clause.Quoted || !double.TryParse(clause.Values[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || double.IsNaN(number))
            throw TaktException.Invalid($"Expected numeric value type for {what}. Found {clause.Values[0]}");
        return $"{Sql.Raw(column)} {Sql.Raw(clause.Operator)} {number}";
    }

    internal static Sql TextTest(string column, FilterClause clause, SqlDialect dialect, string? entity = null, bool lists = false)
    {
        var c = Sql.Raw(column);
        if (clause.Operator is "IN" or "NOT IN" && lists)
            return $"{c} {Sql.Raw(clause.Operator.ToLowerInvariant())} ({Sql.Join(", ", clause.Values.Select(v => (Sql)$"{v}"))})";
        if (!TextOperators.Contains(clause.Operator)) throw TaktException.Invalid($"Invalid comparator '{clause.Operator}' not one of '{{'=', '!=', 'LIKE', 'ILIKE'}}'");
        if (!clause.Quoted)
            throw TaktException.Invalid($"Expected a quoted string value for {entity ?? "attributes"} (e.g. 'my-value'). Got value {clause.Values[0]}");
        var value = clause.Values[0];
        return clause.Operator switch
        {
            // SQLite's LIKE ignores case, its GLOB does not; PostgreSQL's LIKE would read a backslash as an escape
            "LIKE" when dialect == SqlDialect.Sqlite => $"{c} glob {Glob(value)}",
            "LIKE" => $"{c} like {value} escape ''",
            "ILIKE" when dialect == SqlDialect.Sqlite => $"{c} like {value}",
            "ILIKE" => $"{c} ilike {value} escape ''",
            _ => $"{c} {Sql.Raw(clause.Operator)} {value}",
        };
    }

    internal static string Glob(string like)
    {
        var glob = new StringBuilder(like.Length + 8);
        foreach (var c in like) _ = c switch { '%' => glob.Append('*'), '_' => glob.Append('?'), '*' or '?' or '[' => glob.Append('[').Append(c).Append(']'), _ => glob.Append(c) };
        return glob.ToString();
    }

    internal static (string? Entity, string Key, string Direction) OrderTerm(string text)
    {
        var term = text.Trim();
        var direction = "asc";
        if (term.EndsWith(" desc", StringComparison.OrdinalIgnoreCase)) (term, direction) = (term[..^5].TrimEnd(), "desc");
        else if (term.EndsWith(" asc", StringComparison.OrdinalIgnoreCase)) term = term[..^4].TrimEnd();
        if (term.Length == 0 || (term.Contains(' ') && !term.Contains('`') && !term.Contains('"')))
            throw TaktException.Invalid($"Invalid order_by clause '{text}'. Could not be parsed.");
        var (entity, key) = FilterParser.Split(term);
        return (entity, key, direction);
    }
}
