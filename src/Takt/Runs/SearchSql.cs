using System.Globalization;
using System.Text;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>A search of runs (<c>r</c>) or experiments (<c>e</c>) as parts of a SELECT.</summary>
/// <param name="Where">Begins with <c>and</c>, or is empty.</param>
/// <param name="OtherJoins">Without the first order's.</param>
/// <param name="FirstMetric">The metric that the order begins with; null when it begins with something else.</param>
/// <param name="OnlyNumbers">The filter leaves only runs whose <paramref name="FirstMetric"/> is a number.</param>
/// <param name="WhereByMetric">The same as <paramref name="Where"/> where the first metric's row (<c>o0</c>) is at hand: what can be said of that needs no look at the run.</param>
sealed record SearchSql(Sql Joins, Sql OtherJoins, Sql Where, PageOrder Keys, string? FirstMetric = null, bool OnlyNumbers = false, Sql? WhereByMetric = null)
{
    /// <summary>A pattern longer than this is refused by SQLite at 50,000 bytes.</summary>
    const int LongestPattern = 10_000;

    /// <summary>SQLite joins at most 64 tables.</summary>
    const int MostOrders = 30;

    const string ValidEntities = "Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']";
    const string ValidKeys = "Valid keys are '{'run_id', 'start_time', 'artifact_uri', 'created', 'status', 'Run Name', 'Run name', 'run_name', 'end_time', 'Created', 'run name', 'user_id'}'";
    const string ValidExperimentKeys = "Valid keys are '{'name', 'creation_time', 'last_update_time'}'";
    static readonly string[] NumberOperators = [">", ">=", "!=", "=", "<", "<="];
    static readonly string[] TextOperators = ["=", "!=", "LIKE", "ILIKE"];

    public Sql Order => Keys.OrderBy;

    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static SearchSql Runs(string? filter, IReadOnlyList<string> orderBy, SqlDialect dialect)
    {
        var clauses = FilterParser.Parse(filter, quote: "'");
        var where = clauses.ConvertAll(clause => RunClause(clause, dialect, "r.id"));
        var joins = new List<Sql>();
        var keys = new List<PageOrder.Key>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string? first = null;
        if (orderBy.Count > MostOrders) throw TaktException.Invalid($"`order_by` has more than {MostOrders} clauses");
        foreach (var text in orderBy)
        {
            var (name, key, direction) = OrderTerm(text);
            var descending = direction == "desc";
            var entity = RunEntity(name);
            var alias = $"o{keys.Count}";
            if (entity == "attribute") key = RunColumn(key);
            if (!seen.Add($"{entity}.{key}")) throw TaktException.Invalid($"`order_by` contains duplicate fields: {string.Join(", ", orderBy)}");
            switch (entity)
            {
                case "metric":
                    if (seen.Count == 1) first = key;
                    joins.Add($"left join run_metric {Sql.Raw(alias)} on {Sql.Raw(alias)}.run = r.id and {Sql.Raw(alias)}.key = {key}");
                    // NaN after every number and missing last, both ways
                    keys.Add(new(Sql.Raw($"case when {alias}.value is null then 2 when {alias}.is_nan = 1 then 1 else 0 end"), PageOrder.Kind.Number, false));
                    keys.Add(new(Sql.Raw($"coalesce({alias}.value, 0.0)"), PageOrder.Kind.Real, descending));
                    break;
                case "parameter" or "tag":
                    joins.Add($"left join {Sql.Raw(entity == "tag" ? "run_tag" : "run_param")} {Sql.Raw(alias)} on {Sql.Raw(alias)}.run = r.id and {Sql.Raw(alias)}.key = {key}");
                    keys.Add(new(Sql.Raw($"case when {alias}.value is null then 1 else 0 end"), PageOrder.Kind.Number, false));
                    keys.Add(new(Sql.Raw($"coalesce({alias}.value, '')"), PageOrder.Kind.Text, descending));
                    break;
                case "attribute" when key == "r.ended":
                    keys.Add(new(Sql.Raw("case when r.ended is null then 1 else 0 end"), PageOrder.Kind.Number, false));
                    keys.Add(new(Sql.Raw("coalesce(r.ended, 0)"), PageOrder.Kind.Number, descending));
                    break;
                case "attribute":
                    keys.Add(new(Sql.Raw(key), key == "r.started" ? PageOrder.Kind.Number : PageOrder.Kind.Text, descending));
                    break;
                default:
                    throw TaktException.Invalid($"Invalid order_by entity type '{entity}'");
            }
        }
        if (!seen.Contains("attribute.r.started")) keys.Add(new(Sql.Raw("r.started"), PageOrder.Kind.Number, true));
        keys.Add(new(Sql.Raw("r.id"), PageOrder.Kind.Text, false));
        var numbers = first is not null && clauses.Any(clause => RunEntity(clause.Entity) == "metric" && clause.Key == first);
        var byMetric = first is null ? null : And(clauses.ConvertAll(clause =>
            RunEntity(clause.Entity) == "metric" && clause.Key == first ? NumberTest("o0.value", clause, "metric") : RunClause(clause, dialect, "o0.run")));
        return new(Sql.Join(" ", joins), Sql.Join(" ", joins.Skip(1)), And(where), new PageOrder(keys), first, numbers, byMetric);
    }

    /// <inheritdoc cref="Runs"/>
    public static SearchSql Experiments(string? filter, IReadOnlyList<string> orderBy, SqlDialect dialect)
    {
        var where = FilterParser.Parse(filter).ConvertAll(clause =>
        {
            if (ExperimentEntity(clause.Entity) == "tag") return Exists("experiment_tag", "x.experiment = e.id", clause, "tag", dialect, plain: "tag");
            if (clause.Key is not ("name" or "creation_time" or "last_update_time")) throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. {ValidExperimentKeys}");
            var column = ExperimentColumn(clause.Key);
            return column == "e.name" ? TextTest(column, clause, dialect) : NumberTest(column, clause, $"numeric attribute: {clause.Key}");
        });
        var keys = new List<PageOrder.Key>();
        if (orderBy.Count > MostOrders) throw TaktException.Invalid($"`order_by` has more than {MostOrders} clauses");
        var unique = false;
        foreach (var text in orderBy.Count > 0 ? orderBy : ["creation_time DESC", "experiment_id ASC"])
        {
            var (name, key, direction) = OrderTerm(text);
            if (ExperimentEntity(name) == "tag") throw TaktException.Invalid("Invalid order_by entity: tag");
            var column = ExperimentColumn(key);
            if (unique) continue; // nothing can follow a unique key
            unique = column == "e.id";
            keys.Add(new(Sql.Raw(column), column == "e.name" ? PageOrder.Kind.Text : PageOrder.Kind.Number, direction == "desc"));
        }
        if (!unique) keys.Add(new(Sql.Raw("e.id"), PageOrder.Kind.Number, true));
        return new(Sql.Raw(""), Sql.Raw(""), And(where), new PageOrder(keys));
    }

    internal static Sql And(List<Sql> where) => where.Count == 0 ? Sql.Raw("") : $"and {Sql.Join(" and ", where)}";

    /// <param name="run">The column with the run's id.</param>
    static Sql RunClause(FilterClause clause, SqlDialect dialect, string run)
    {
        var entity = RunEntity(clause.Entity);
        var id = Sql.Raw(run);
        switch (entity)
        {
            case "metric":
                return $"exists(select 1 from run_metric x where x.run = {id} and x.key = {clause.Key} and x.is_nan = 0 and {NumberTest("x.value", clause, "metric")})";
            case "parameter":
                return Exists("run_param", $"x.run = {run}", clause, entity, dialect);
            case "tag":
                return Exists("run_tag", $"x.run = {run}", clause, entity, dialect);
            case "dataset":
                if (clause.Key is not ("name" or "digest" or "context"))
                    throw TaktException.Invalid($"Invalid dataset key '{clause.Key}' specified. Valid keys are '{{'name', 'digest', 'context'}}'");
                return $"exists(select 1 from run_input x where x.run = {id} and {TextTest("x." + clause.Key, clause, dialect, "dataset attributes", lists: true)})";
            default:
                var column = RunColumn(clause.Key);
                return column is "r.started" or "r.ended" ? NumberTest(column, clause, $"numeric attribute: {clause.Key}")
                    : TextTest(column, clause, dialect, "attributes", lists: column == "r.id");
        }
    }

    static string RunEntity(string? entity) => entity switch
    {
        null or "attribute" or "attributes" or "attr" or "run" => "attribute",
        "metric" or "metrics" => "metric",
        "param" or "params" or "parameter" or "parameters" => "parameter",
        "tag" or "tags" => "tag",
        "dataset" or "datasets" => "dataset",
        _ => throw TaktException.Invalid($"Invalid entity type '{entity}'. {ValidEntities}"),
    };

    static string ExperimentEntity(string? entity) => entity switch
    {
        null or "attribute" => "attribute",
        "tag" or "tags" => "tag",
        _ => throw TaktException.Invalid($"Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', 'tags')"),
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
        _ => throw TaktException.Invalid($"Invalid attribute key '{key}' specified. Valid keys are '{{'name', 'experiment_id', 'creation_time', 'last_update_time'}}'"),
    };

    static Sql Exists(string table, string link, FilterClause clause, string entity, SqlDialect dialect, string? plain = null) =>
        $"exists(select 1 from {Sql.Raw(table)} x where {Sql.Raw(link)} and x.key = {clause.Key} and {TextTest("x.value", clause, dialect, entity + " (e.g. 'my-value')", plain: plain)})";

    /// <param name="what">For messages: of what it is the value.</param>
    /// <param name="plain">As for <see cref="TextTest"/>.</param>
    internal static Sql NumberTest(string column, FilterClause clause, string what, string? plain = null)
    {
        if (!clause.IsNumber) throw TaktException.Invalid($"Expected numeric value type for {what}. Found {clause.Raw}");
        if (!NumberOperators.Contains(clause.Operator)) throw Comparator(clause, NumberOperators, plain);
        return $"{Sql.Raw(column)} {Sql.Raw(clause.Operator)} {double.Parse(clause.Raw, NumberStyles.Float, CultureInfo.InvariantCulture)}";
    }

    /// <param name="what">For messages: of what it is the value.</param>
    /// <param name="lists">It may be compared with a list.</param>
    /// <param name="plain">For messages: an operator that there is not is told as one of this, and not beside those that there are.</param>
    internal static Sql TextTest(string column, FilterClause clause, SqlDialect dialect, string what = "attributes", bool lists = false, string? plain = null)
    {
        var c = Sql.Raw(column);
        var listed = clause.IsList || (clause.Operator is "IN" or "NOT IN" && clause.Quoted && plain is null);
        if (listed && !lists && what == "attributes") throw TaktException.Invalid("Only the 'run_id' attribute supports comparison with a list of quoted string values.");
        if (lists && (clause.IsList || clause.Operator is "IN" or "NOT IN"))
        {
            var values = clause.List();
            if (clause.Operator == "IN" || (clause.Operator == "NOT IN" && plain is null)) return $"{c} {Sql.Raw(clause.Operator.ToLowerInvariant())} ({Sql.Join(", ", values.Select(v => (Sql)$"{v}"))})";
        }
        else
        {
            var value = clause.Text($"a quoted string value{(plain == "attribute" ? " or a list of quoted string values" : "")} for {what}");
            if (clause.Operator is "LIKE" or "ILIKE" && value.Length > LongestPattern) throw TaktException.Invalid($"A pattern of {clause.Operator} has more than {LongestPattern} characters");
            if (TextOperators.Contains(clause.Operator)) return Compared(c, clause.Operator, value, dialect);
        }
        throw Comparator(clause, what == "attributes" || lists ? [.. TextOperators, "IN", "NOT IN"] : TextOperators, plain);
    }

    static Sql Compared(Sql column, string op, string value, SqlDialect dialect) => op switch
    {
        // SQLite's LIKE ignores case, its GLOB does not; PostgreSQL's LIKE would read a backslash as an escape
        "LIKE" when dialect == SqlDialect.Sqlite => $"{column} glob {Glob(value)}",
        "LIKE" => $"{column} like {value} escape ''",
        "ILIKE" when dialect == SqlDialect.Sqlite => $"{column} like {value}",
        "ILIKE" => $"{column} ilike {value} escape ''",
        _ => $"{column} {Sql.Raw(op)} {value}",
    };

    static TaktException Comparator(FilterClause clause, string[] valid, string? plain) => TaktException.Invalid(plain is not null ? $"Invalid comparator for {plain}: {clause.Operator}"
        : $"Invalid comparator '{clause.Operator}' not one of '{{{string.Join(", ", valid.Select(o => $"'{o}'"))}}}'");

    internal static string Glob(string like)
    {
        var glob = new StringBuilder(like.Length + 8);
        foreach (var c in like) _ = c switch { '%' => glob.Append('*'), '_' => glob.Append('?'), '*' or '?' or '[' => glob.Append('[').Append(c).Append(']'), _ => glob.Append(c) };
        return glob.ToString();
    }

    internal static (string? Entity, string Key, string Direction) OrderTerm(string text)
    {
        var term = text.Trim();
        var descending = false;
        var space = term.LastIndexOf(' ');
        // a direction stands behind the name's closing quote, if it has one
        if (space > 0 && term.LastIndexOfAny(['`', '"']) < space)
        {
            var word = term[(space + 1)..];
            var name = term[..space].TrimEnd();
            if (!name.Contains(' ') || name[^1] is '`' or '"')
            {
                descending = word.ToLowerInvariant() switch { "desc" => true, "asc" => false, _ => throw TaktException.Invalid($"Invalid ordering key in order_by clause '{text}'.") };
                term = name;
            }
        }
        if (term.Length == 0 || (term.Contains(' ') && !term.Contains('`') && !term.Contains('"')) || term.Contains(';'))
            throw TaktException.Invalid($"Invalid order_by clause '{text}'. Could not be parsed.");
        var (entity, key) = FilterParser.Split(term);
        return (entity, key, descending ? "desc" : "asc");
    }
}
