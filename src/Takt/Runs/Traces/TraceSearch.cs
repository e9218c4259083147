using System.Data.Common;
using System.Text;
using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs.Traces;

/// <summary>The newest traces first, or as asked, page by page. A page begins after the last trace of the page before, so that deep pages cost what the first does.</summary>
static class TraceSearch
{
    /// <summary>How long PostgreSQL may look for a regular expression.</summary>
    const string Patience = "20000";

    /// <param name="Source">A column or expression over <c>t</c> and the joins.</param>
    sealed record Term(string Source, bool Descending, bool Number)
    {
        /// <summary>Only then are there missing values to be put last; without the question an index can give the order.</summary>
        public bool Optional => Source is not ("t.started" or "t.id" or "t.state" or "t.experiment");
    }

    public static TracePage Run(SqlSession session, TraceQuery query, Workspace workspace)
    {
        var filter = TraceFilter.Parse(query.Filter, session.Dialect);
        var (joins, terms) = Order(query.OrderBy);
        var experiments = Experiments.Visible(session, query.Experiments, workspace);
        if (experiments.Count == 0) return new([], null);
        Sql after = query.After is { Length: > 0 } token ? After(terms, token) : Sql.Raw("");
        var order = Sql.Raw(string.Join(", ", terms.Select(t => !t.Optional ? $"{t.Source}{(t.Descending ? " desc" : "")}"
            : $"case when {t.Source} is null then 1 else 0 end, {t.Source}{(t.Descending ? " desc" : "")}")));
        var keys = Sql.Raw(string.Concat(terms.Select(t => ", " + t.Source)));
        var last = new List<object?>();
        var n = 0;
        var found = Guarded(session, filter, () => session.Query($"""
            select {Sql.Raw(TraceRows.Columns)}{keys} from trace t {joins}
            where {Within(experiments)} {filter.Where} {after} order by {order} limit {query.Limit + 1}
            """, row =>
        {
            if (++n == query.Limit) last.AddRange(terms.Select((t, i) => row.IsNull(8 + i) ? null : t.Number ? (object)row.Number(8 + i) : row.Text(8 + i)));
            return TraceRows.Info(row);
        }));
        var more = found.Count > query.Limit;
        if (more) found.RemoveAt(found.Count - 1);
        return new(TraceRows.Filled(session, found), more ? Token(last) : null);
    }

    public static TraceCorrelation Correlate(SqlSession session, IReadOnlyList<long> experiments, string filter1, string filter2, string? within, Workspace workspace)
    {
        var (one, two, all) = (TraceFilter.Parse(filter1, session.Dialect), TraceFilter.Parse(filter2, session.Dialect), TraceFilter.Parse(within, session.Dialect));
        experiments = Experiments.Visible(session, experiments, workspace);
        if (experiments.Count == 0) return new(0, 0, 0, 0);
        return Guarded(session, one with { Regex = one.Regex || two.Regex || all.Regex }, () => session.First($"""
            select count(*), coalesce(sum(x.one), 0), coalesce(sum(x.two), 0), coalesce(sum(x.one * x.two), 0) from (
                select case when 1 = 1 {one.Where} then 1 else 0 end as one, case when 1 = 1 {two.Where} then 1 else 0 end as two
                from trace t where {Within(experiments)} {all.Where}) x
            """, row => new TraceCorrelation(row.Number(1), row.Number(2), row.Number(3), row.Number(0)))!);
    }

    static Sql Within(IReadOnlyList<long> experiments)
    {
        Sql within = experiments.Count == 1 ? (Sql)$"t.experiment = {experiments[0]}" : $"t.experiment in ({Sql.Join(", ", experiments.Distinct().Select(e => (Sql)$"{e}"))})";
        return $"{within} and t.state <> {TraceRows.Expected}";
    }

    static T Guarded<T>(SqlSession session, TraceFilter filter, Func<T> search)
    {
        if (!filter.Regex || session.Dialect == SqlDialect.Sqlite) return search();
        session.Text($"select set_config('statement_timeout', {Patience}, true)");
        try
        {
            return search();
        }
        catch (DbException e) when (e.SqlState is "2201B" or "57014")
        {
            throw TaktException.Invalid(e.SqlState == "57014" ? "The regular expression of an RLIKE took too long; use a simpler one, or narrow the search by time"
                : $"The regular expression of an RLIKE can't be used: {e.Message}");
        }
    }

    static (Sql Joins, List<Term> Terms) Order(IReadOnlyList<string> orderBy)
    {
        var joins = new List<Sql>();
        var terms = new List<Term>();
        var seen = new HashSet<(string, string)>();
        foreach (var text in orderBy)
        {
            var (entity, key, direction) = SearchSql.OrderTerm(text);
            var (kind, name) = TraceFilter.Identify(entity, key, TraceFilter.OrderKeys);
            if (kind is not (TraceFilter.Attribute or TraceFilter.Tag or TraceFilter.Metadata)) throw TaktException.Invalid($"Invalid identifier type '{kind}'");
            if (!seen.Add((kind, name))) throw TaktException.Invalid($"`order_by` contains duplicate fields: [{string.Join(", ", orderBy.Select(o => $"'{o}'"))}]");
            if (kind == TraceFilter.Attribute) terms.Add(new(TraceFilter.Column(name), direction == "desc", TraceFilter.IsNumber(name)));
            else
            {
                var o = Sql.Raw($"o{joins.Count}");
                joins.Add($"left join {Sql.Raw(kind == TraceFilter.Tag ? "trace_tag" : "trace_metadata")} {o} on {o}.trace = t.id and {o}.key = {name}");
                terms.Add(new($"o{joins.Count - 1}.value", direction == "desc", false));
            }
        }
        if (!terms.Exists(t => t.Source == "t.started")) terms.Add(new("t.started", true, true));
        if (!terms.Exists(t => t.Source == "t.id")) terms.Add(new("t.id", false, false));
        return (Sql.Join(" ", joins), terms);
    }

    // what comes after the last trace: greater in the first term, or equal there and greater in the second, …; a missing value is after all others
    static Sql After(List<Term> terms, string token)
    {
        var last = Values(terms, token);
        if (terms is [{ Source: "t.started", Descending: true }, { Source: "t.id", Descending: false }]) return $"and t.started <= {last[0]} and (t.started < {last[0]} or t.id > {last[1]})";
        var ways = new List<Sql>();
        Sql equal = Sql.Raw("1 = 1");
        for (var i = 0; i < terms.Count; i++)
        {
            var source = Sql.Raw(terms[i].Source);
            if (last[i] is { } value)
            {
                Sql missing = terms[i].Optional ? (Sql)$"or {source} is null" : Sql.Raw("");
                ways.Add($"({equal} and ({source} {Sql.Raw(terms[i].Descending ? "<" : ">")} {value} {missing}))");
                equal = $"{equal} and {source} = {value}";
            }
            else equal = $"{equal} and {source} is null";
        }
        return $"and ({Sql.Join(" or ", ways)})";
    }

    static string Token(List<object?> last)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartArray();
            foreach (var value in last)
                if (value is long number) json.WriteNumberValue(number);
                else json.WriteStringValue((string?)value);
            json.WriteEndArray();
        }
        return Convert.ToBase64String(bytes.ToArray());
    }

    static List<object?> Values(List<Term> terms, string token)
    {
        try
        {
            using var json = JsonDocument.Parse(Encoding.UTF8.GetString(Convert.FromBase64String(token)));
            if (json.RootElement.ValueKind == JsonValueKind.Array && json.RootElement.GetArrayLength() == terms.Count)
                return [.. json.RootElement.EnumerateArray().Select((value, i) => value.ValueKind == JsonValueKind.Null && terms[i].Optional ? null : terms[i].Number ? (object)value.GetInt64() : value.GetString()!)];
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
        }
        throw TaktException.Invalid("Invalid page token: it is not one of this search with this order_by");
    }
}
