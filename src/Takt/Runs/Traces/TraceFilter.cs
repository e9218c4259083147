using System.Globalization;
using System.Text.RegularExpressions;
using Takt.Storage;

namespace Takt.Runs.Traces;

/// <summary>A filter of traces (<c>t</c>) as a condition, by MLflow's grammar.</summary>
/// <param name="Where">Begins with <c>and</c>, or is empty.</param>
/// <param name="Regex">It has a regular expression.</param>
sealed record TraceFilter(Sql Where, bool Regex)
{
    public const string Attribute = "attribute";
    public const string Tag = "tag";
    public const string Metadata = "request_metadata";
    const string SpanEntity = "span";
    const string Feedback = "feedback";
    const string Expectation = "expectation";
    const string Issue = "issue";
    const string SpanAttribute = "attributes.";

    /// <summary>Metadata, as JSON, of an assessment of a whole session.</summary>
    const string OfSession = $"%\"{TraceKeys.Session}\":%";

    /// <summary>Longer patterns are no searches.</summary>
    const int LongestPattern = 1000;

    static readonly string[] FilterKeys =
        ["request_id", "timestamp", "timestamp_ms", "execution_time", "execution_time_ms", "end_time", "end_time_ms", "status", "client_request_id", "name", "run_id", "prompt", "text"];

    public static readonly string[] OrderKeys =
        ["experiment_id", "timestamp", "timestamp_ms", "execution_time", "execution_time_ms", "end_time", "end_time_ms", "status", "request_id", "name", "run_id"];

    static readonly string[] Entities = [Tag, "tags", Attribute, "attributes", "trace", Metadata, "metadata", SpanEntity, Feedback, Expectation, Issue];
    static readonly string[] Numbers = [">", ">=", "!=", "=", "<", "<="];
    static readonly string[] Texts = ["!=", "=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE"];
    static readonly string[] Pairs = ["!=", "=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"];
    static readonly string[] Judged = ["!=", "=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"];
    static readonly string[] Contents = ["LIKE", "ILIKE"];

    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static TraceFilter Parse(string? filter, SqlDialect dialect)
    {
        var clauses = FilterParser.Parse(filter, nulls: true, quote: "'");
        var where = new List<Sql>();
        var spans = new List<(FilterClause Clause, string Key)>();
        foreach (var clause in clauses)
        {
            var (entity, key) = Identify(clause.Entity, clause.Key, FilterKeys);
            CheckValue(clause, entity);
            switch (entity)
            {
                case Attribute: where.Add(OfTrace(clause, key, dialect)); break;
                case Tag when key == TraceKeys.LinkedPrompts: where.Add(Prompt(clause)); break;
                case Tag: where.Add(Pair("trace_tag", clause, key, dialect)); break;
                case Metadata when key == TraceKeys.SourceRun && clause.Operator == "=": where.Add(OfRun(clause)); break;
                case Metadata: where.Add(Pair("trace_metadata", clause, key, dialect)); break;
                case SpanEntity: spans.Add((clause, key)); break;
                default: where.Add(Judgement(entity, clause, key, dialect)); break;
            }
        }
        if (spans.Count > 0) where.Add(OfSpan(spans, dialect));
        return new(SearchSql.And(where), clauses.Exists(c => c.Operator == "RLIKE"));
    }

    /// <summary>What a name means: <c>name</c> is a tag, <c>run_id</c> metadata, <c>text</c> the spans' content.</summary>
    public static (string Entity, string Key) Identify(string? entity, string key, string[] attributes)
    {
        entity = entity?.Trim('`') switch
        {
            null => Attribute,
            "tags" => Tag,
            "attributes" or "trace" => Attribute,
            "metadata" => Metadata,
            var other when Entities.Contains(other) => other,
            var other => throw TaktException.Invalid($"Invalid entity type '{other}'. Valid values are {{{string.Join(", ", Entities.Select(e => $"'{e}'"))}}}"),
        };
        if (entity != Attribute) return (entity, key);
        if (!attributes.Contains(key)) throw TaktException.Invalid($"Invalid attribute key '{key}' specified. Valid keys are '{{{string.Join(", ", attributes.Select(k => $"'{k}'"))}}}'");
        return key switch
        {
            "name" => (Tag, TraceKeys.Name),
            "prompt" => (Tag, TraceKeys.LinkedPrompts),
            "run_id" => (Metadata, TraceKeys.SourceRun),
            "text" => (SpanEntity, "content"),
            _ => (Attribute, key),
        };
    }

    public static string Column(string key) => key switch
    {
        "request_id" => "t.id",
        "timestamp" or "timestamp_ms" => "t.started",
        "execution_time" or "execution_time_ms" => "t.duration",
        "end_time" or "end_time_ms" => "(t.started + coalesce(t.duration, 0))",
        "status" => "t.state",
        "client_request_id" => "t.client_request",
        _ => "t.experiment",
    };

    public static bool IsNumber(string key) => key is not ("request_id" or "status" or "client_request_id");

    /// <exception cref="TaktException">Invalid: what it compares with is neither a text in quotes nor a list of them, where it must be.</exception>
    static void CheckValue(FilterClause clause, string entity)
    {
        var attribute = clause.Entity?.Trim('`') is null or Attribute or "attributes" or "trace";
        if (clause.Operator is "IS NULL" or "IS NOT NULL" || (attribute && IsTime(clause.Key))) return;
        if (attribute && clause.IsNumber)
            throw TaktException.Invalid("Only the '{'timestamp_ms', 'timestamp', 'execution_time_ms', 'execution_time', 'end_time_ms', 'end_time'}' attributes support comparison with numeric values.");
        var expected = attribute ? "a quoted string value or a list of quoted string values for attributes" : $"a quoted string value for {entity} (e.g. 'my-value')";
        if (clause.Operator is "IN" or "NOT IN" && (clause.IsList || clause.Quoted)) _ = clause.List();
        else _ = clause.Text(expected);
    }

    static bool IsTime(string key) => key is "timestamp" or "timestamp_ms" or "execution_time" or "execution_time_ms" or "end_time" or "end_time_ms";

    static Sql OfTrace(FilterClause clause, string key, SqlDialect dialect)
    {
        var column = Sql.Raw(Column(key));
        if (!IsNumber(key))
        {
            // told in so many words, it is the condition of an index
            if (key == "status" && clause is { Operator: "=", Values: ["ERROR"] }) return Sql.Raw("t.state = 'ERROR'");
            return Test(column, clause, Texts, dialect);
        }
        if (clause.IsList)
            throw TaktException.Invalid("Only attributes in {'request_id', 'name', 'status', 'run_id', 'client_request_id'} supports comparison with a list of quoted string values.");
        Allowed(clause, Numbers);
        if (long.TryParse(clause.Values[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) return $"{column} {Sql.Raw(clause.Operator)} {whole}";
        if (!double.TryParse(clause.Values[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
            throw TaktException.Invalid($"Expected numeric value type for attribute {key}. Found {clause.Raw}");
        return $"{column} {Sql.Raw(clause.Operator)} {number}";
    }

    static Sql Pair(string table, FilterClause clause, string key, SqlDialect dialect)
    {
        var rows = Sql.Raw(table);
        Allowed(clause, Pairs);
        if (clause.Operator is "IS NULL") return $"not exists(select 1 from {rows} x where x.trace = t.id and x.key = {key})";
        if (clause.Operator is "IS NOT NULL") return $"exists(select 1 from {rows} x where x.trace = t.id and x.key = {key})";
        if (clause.Operator == "=")
            return $"t.id in (select x.trace from {rows} x where x.key = {key} and substr(x.value, 1, 100) = substr({clause.Values[0]}, 1, 100) and x.value = {clause.Values[0]})";
        return $"exists(select 1 from {rows} x where x.trace = t.id and x.key = {key} and {Test(Sql.Raw("x.value"), clause, Judged, dialect)})";
    }

    // the run that made the trace, or one that it was linked to
    static Sql OfRun(FilterClause clause)
    {
        var run = clause.Values[0];
        return $"""
            t.id in (select x.trace from trace_metadata x where x.key = {TraceKeys.SourceRun} and substr(x.value, 1, 100) = substr({run}, 1, 100) and x.value = {run}
                union all select x.trace from trace_link x where x.kind = {"run"} and x.target = {run})
            """;
    }

    static Sql Prompt(FilterClause clause)
    {
        if (clause.Operator != "=") throw TaktException.Invalid($"Invalid comparator '{clause.Operator}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"");
        if (clause.Values[0].Count(c => c == '/') != 1) throw TaktException.Invalid($"Invalid prompts filter value '{clause.Values[0]}'. Expected format: prompt = \"name/version\"");
        return $"t.id in (select x.trace from trace_link x where x.kind = {"prompt"} and x.target = {clause.Values[0]})";
    }

    // all conditions on one and the same span
    static Sql OfSpan(List<(FilterClause Clause, string Key)> clauses, SqlDialect dialect)
    {
        var indexed = false;
        var named = clauses.Exists(c => c is { Key: "name", Clause.Operator: "=" });
        var tests = clauses.ConvertAll<Sql>(c =>
        {
            var (clause, key) = c;
            if (key.StartsWith(SpanAttribute, StringComparison.Ordinal))
            {
                var name = key[SpanAttribute.Length..].Trim('`', '"');
                if (name.Length == 0) throw TaktException.Invalid("Span attribute name cannot be empty after 'attributes.'");
                Comparable(clause, key, Texts);
                return OfAttribute(name, clause, dialect);
            }
            if (key is not ("name" or "type" or "status" or "content"))
                throw TaktException.Invalid($"Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>.");
            Comparable(clause, key, key == "content" ? Contents : Texts);
            if (key == "status" && clause is { Operator: "=", Values: ["ERROR"] })
            {
                indexed = true;
                return Sql.Raw("s.status = 'ERROR'");
            }
            // a name is rarer than a type, so it alone chooses the index
            if ((key == "name" || (key == "type" && !named)) && clause.Operator == "=")
            {
                indexed = true;
                return $"substr(s.{Sql.Raw(key)}, 1, 100) = substr({clause.Values[0]}, 1, 100) and s.{Sql.Raw(key)} = {clause.Values[0]}";
            }
            return Test(Sql.Raw("s." + key), clause, Texts, dialect);
        });
        var all = Sql.Join(" and ", tests);
        if (indexed) return $"t.id in (select s.trace from trace_span s where {all})";
        return $"exists(select 1 from trace_span s where s.trace = t.id and {all})";
    }

    // an attribute's value is JSON within the content's JSON; a text is compared without its quotes
    static Sql OfAttribute(string name, FilterClause clause, SqlDialect dialect)
    {
        // what can't be in the content need not be read as JSON
        Sql likely = clause.Operator == "=" && clause.Values[0].Length > 0 && clause.Values[0].All(c => char.IsAsciiLetterOrDigit(c) || c is ' ' or '-' or '_' or '.')
            ? (Sql)$"{Sql.Raw(dialect == SqlDialect.Sqlite ? "instr" : "strpos")}(s.content, {clause.Values[0]}) > 0 and" : Sql.Raw("");
        if (dialect == SqlDialect.Sqlite)
            return $"""
                {likely} exists(select 1 from (select case when substr(j.value, 1, 1) = '"' and json_valid(j.value) then json_extract(j.value, '$') else j.value end as v
                    from json_each(s.content, '$.attributes') j where j.key = {name}) a where {Test(Sql.Raw("a.v"), clause, Texts, dialect)})
                """;
        return $"""
            {likely} exists(select 1 from (select case when left(j.v, 1) = '"' then (j.v::json #>> '{Sql.Raw("{}")}') else j.v end as v
                from (select s.content::json -> 'attributes' ->> {name}::text as v) j) a where {Test(Sql.Raw("a.v"), clause, Texts, dialect)})
            """;
    }

    // by what it says of the trace, or of another trace of the same session, when it is of the session as a whole
    static Sql Judgement(string kind, FilterClause clause, string key, SqlDialect dialect)
    {
        if (key.Length == 0) throw TaktException.Invalid("Assessment field name cannot be empty");
        if (kind == Issue)
        {
            if (key != "id") throw TaktException.Invalid($"Invalid issue attribute '{key}'. Supported attributes: id");
            if (clause.Operator != "=") throw TaktException.Invalid($"issue.{key} comparator '{clause.Operator}' not one of '{{'='}}'");
            return $"t.id in (select a.trace from assessment a where a.kind = {Issue} and a.name = {clause.Values[0]})";
        }
        if (!Judged.Contains(clause.Operator)) throw TaktException.Invalid($"assessment.{key} comparator '{clause.Operator}' not one of '{List(Judged)}'");
        Sql about = $"a.kind = {kind} and a.name = {key} and a.valid = 1";
        if (clause.Operator is not ("IS NULL" or "IS NOT NULL")) about = $"{about} and {Value()}";
        Sql matching = $"""
            (select a.trace from assessment a where {about}
             union all select m.trace from trace_metadata m where m.key = {TraceKeys.Session} and m.value in (
                select n.value from trace_metadata n join assessment a on a.trace = n.trace
                where n.key = {TraceKeys.Session} and {about} and a.metadata is not null and a.metadata like {OfSession}))
            """;
        if (clause.Operator == "IS NULL") return $"t.id not in {matching}";
        return $"t.id in {matching}";

        Sql Value() => clause.Operator switch
        {
            "=" => $"({Test(Sql.Raw("a.value_text"), clause, Judged, dialect)} or a.value = {clause.Values[0]})",
            "!=" => $"({Test(Sql.Raw("a.value_text"), clause, Judged, dialect)} and a.value <> {clause.Values[0]})",
            "IN" or "NOT IN" => Test(Sql.Raw("a.value_text"), clause, Judged, dialect),
            _ => $"({Test(Sql.Raw("a.value_text"), clause, Judged, dialect)} or {Test(Sql.Raw("a.value"), clause, Judged, dialect)})",
        };
    }

    static Sql Test(Sql column, FilterClause clause, string[] allowed, SqlDialect dialect)
    {
        Allowed(clause, allowed);
        if (clause.IsList) return $"{column} {Sql.Raw(clause.Operator.ToLowerInvariant())} ({Sql.Join(", ", clause.Values.Select(v => (Sql)$"{v}"))})";
        var value = clause.Values[0];
        return clause.Operator switch
        {
            "LIKE" when dialect == SqlDialect.Sqlite => $"{column} glob {SearchSql.Glob(value)}",
            "LIKE" => $"{column} like {value} escape ''",
            "ILIKE" when dialect == SqlDialect.Sqlite => $"{column} like {value}",
            "ILIKE" => $"{column} ilike {value} escape ''",
            "RLIKE" => Pattern(value, column, dialect),
            _ => $"{column} {Sql.Raw(clause.Operator)} {value}",
        };
    }

    // an expression that can be matched in time linear in the text: no back references, nothing that looks around
    static Sql Pattern(string pattern, Sql column, SqlDialect dialect)
    {
        if (pattern.Length > LongestPattern) throw TaktException.Invalid($"The regular expression of an RLIKE is longer than {LongestPattern} characters");
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (NotSupportedException)
        {
            throw TaktException.Invalid($"The regular expression '{pattern}' of an RLIKE can't be used: it refers back to a group or looks around, which can't be matched in time linear in the text; leave that out");
        }
        catch (ArgumentException e)
        {
            throw TaktException.Invalid($"The regular expression '{pattern}' of an RLIKE can't be used: {e.Message}");
        }
        if (dialect == SqlDialect.Sqlite) return $"{column} regexp {pattern}";
        return $"{column} ~ {pattern}";
    }

    static void Allowed(FilterClause clause, string[] allowed)
    {
        if (!allowed.Contains(clause.Operator)) throw TaktException.Invalid($"Invalid comparator '{clause.Operator}' not one of '{List(allowed)}'");
    }

    static void Comparable(FilterClause clause, string key, string[] allowed)
    {
        if (!allowed.Contains(clause.Operator)) throw TaktException.Invalid($"span.{key} comparator '{clause.Operator}' not one of '{List(allowed)}'");
    }

    static string List(string[] names) => $"{{{string.Join(", ", names.Select(n => $"'{n}'"))}}}";
}
