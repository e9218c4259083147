using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// The runs table's queries: a page by keyset in any order, only the columns asked for, groups, counts and the keys that there are. What a page costs
/// depends on its rows and columns, not on how far down it is.
/// </summary>
public sealed class RunGrid(Database database, Workspace workspace = default)
{
    public RunGrid In(Workspace other) => other == workspace ? this : new(database, other);

    public const int MostColumns = 1000;

    /// <summary>Of runs that are compared with all they have.</summary>
    const int MostCells = 1_000_000;

    /// <summary>Above this many keys it is cheaper to read all of a run's than to look each up.</summary>
    const int ManyKeys = 60;

    /// <summary>The keys that are offered are those of so many newest and oldest runs; others can be typed.</summary>
    const int KeysOfNewest = 250;
    const int KeysOfOldest = 50;

    /// <param name="columns">In their order; a pattern stands for every key it covers on this page. Null: a few that the page's runs have.</param>
    /// <exception cref="TaktException">Invalid: the filter, or too many columns.</exception>
    public RunGridPage Page(RunGridQuery query, IReadOnlyList<RunColumn>? columns, int fewMetrics = 6, int fewParams = 6) => database.Read(session =>
    {
        var backward = query.Before is not null;
        var terms = Order(query);
        var where = Where(session, query);
        var anchor = (query.Before ?? query.After) is { } run ? Anchor(session, query, terms, run) : null;
        var rows = ByMetric(session, query, terms, where, anchor, backward)
            ?? Rows(session, $"from run r {Join(query)}", anchor is null ? where : $"{where} and {Beyond(terms, anchor, backward)}", terms, backward, query.Limit + 1);
        var more = rows.Count > query.Limit;
        if (more) rows.RemoveAt(query.Limit);
        if (backward) rows.Reverse();
        if (rows.Count == 0) return new RunGridPage(columns?.Where(c => !c.IsPattern).ToList() ?? [], [], false, query.After is not null || query.Before is not null && more);

        var ids = Ids(rows);
        columns = columns is null ? WithParts(session, query, ids, Few(session, ids, fewMetrics, fewParams), fewMetrics, fewParams) : Opened(session, ids, columns);
        if (columns.Count > MostColumns) throw TaktException.Invalid($"{columns.Count} columns are more than the {MostColumns} that a table can have; narrow the patterns");
        var names = session.Query($"select id, name from experiment where id in ({Sql.Join(", ", rows.Select(r => r.Experiment).Distinct().Select(e => (Sql)$"{e}"))})",
            row => KeyValuePair.Create(row.Number(0), row.Text(1))).ToDictionary();
        var refused = Refused(session, rows);
        rows = rows.ConvertAll(r => r with { ExperimentName = names[r.Experiment], Cells = new RunGridCell[columns.Count], Refused = refused.GetValueOrDefault(r.Id) });
        Fill(session, rows, ids, columns);
        return backward ? new RunGridPage(columns, rows, true, more) : new RunGridPage(columns, rows, more, query.After is not null);
    });

    /// <summary>These runs in this order with all of their metrics, params and tags (MLflow's own tags left out). Runs that are not there are left out.</summary>
    public RunGridPage Of(IReadOnlyList<string> runs) => database.Read(session =>
    {
        var ids = Sql.Join(", ", runs.Select(id => (Sql)$"{id}"));
        var place = runs.Select((id, i) => (id, i)).ToDictionary(p => p.id, p => p.i, StringComparer.Ordinal);
        var rows = session.Query($"""
            select r.id, r.experiment, e.name, r.name, r.user_id, r.status, r.started, r.ended, r.parent from run r join experiment e on e.id = r.experiment
            where e.workspace = {workspace} and r.id in ({ids})
            """, row => new RunGridRow(row.Text(0), row.Number(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5), row.Number(6), row.NumberOrNull(7), row.TextOrNull(8), []));
        rows.Sort((a, b) => place[a.Id].CompareTo(place[b.Id]));
        if (rows.Count == 0) return new RunGridPage([], [], false, false);
        ids = Ids(rows);
        var columns = KeysOf(session, ids).Where(c => c.Kind != RunColumnKind.Tag || !c.Key.StartsWith("mlflow.", StringComparison.Ordinal)).OrderBy(c => c.Kind switch { RunColumnKind.Param => 0, RunColumnKind.Metric => 1, _ => 2 }).Take(Math.Max(100, MostCells / rows.Count)).ToList();
        rows = rows.ConvertAll(r => r with { Cells = new RunGridCell[columns.Count] });
        Fill(session, rows, ids, columns);
        return new RunGridPage(columns, rows, false, false);
    });

    /// <summary>How many there are, or <paramref name="bound"/> when there are more than that.</summary>
    public long Count(RunGridQuery query, long bound) => database.Read(session =>
        session.Number($"select count(*) from (select 1 from run r where {Where(session, query)} limit {bound}) as counted") ?? 0);

    /// <summary>How many parts each of these runs has, of its own experiment; those without any are left out.</summary>
    public IReadOnlyDictionary<string, long> Parts(IReadOnlyList<RunGridRow> rows, bool deleted) => rows.Count == 0 ? new Dictionary<string, long>() : database.Read(session =>
    {
        var experiments = rows.ToDictionary(r => r.Id, r => r.Experiment, StringComparer.Ordinal);
        return session.Query($"select parent, experiment, count(*) from run where parent in ({Ids([.. rows])}) and lifecycle = {(deleted ? "deleted" : "active")} group by parent, experiment",
            row => (Parent: row.Text(0), Experiment: row.Number(1), Count: row.Number(2))).Where(p => experiments[p.Parent] == p.Experiment).ToDictionary(p => p.Parent, p => p.Count, StringComparer.Ordinal);
    });

    /// <summary>The runs by the value of a column, the largest group first.</summary>
    /// <param name="by">A param, a tag, or the attribute status, user_id, experiment or run_name.</param>
    public IReadOnlyList<RunGroup> Groups(RunGridQuery query, RunColumn by, IReadOnlyList<string> metrics, int limit) => database.Read(session =>
    {
        var (join, value) = Value(by);
        // a join for each metric: one row a run to be sorted into groups, not one a run and metric
        var figures = string.Concat(metrics.Select((_, i) => $", count(m{i}.value), avg(m{i}.value), min(m{i}.value), max(m{i}.value)"));
        var joins = metrics.Select((metric, i) => (Sql)$"left join run_metric {Sql.Raw($"m{i}")} on {Sql.Raw($"m{i}")}.run = r.id and {Sql.Raw($"m{i}")}.key = {metric} and {Sql.Raw($"m{i}")}.is_nan = 0");
        return session.Query($"""
            select {Sql.Raw(value)} as value, count(*), max(r.started){Sql.Raw(figures)} from run r {join} {Sql.Join(" ", joins)} where {Where(session, query)} group by 1 order by 2 desc, 3 desc limit {limit}
            """, row => new RunGroup(row.TextOrNull(0), row.Number(1), row.Number(2), [.. metrics.Select((_, i) => 3 + (4 * i)).Select(at => row.Number(at) is > 0 and var runs ? new RunGroupMetric(runs, row.Real(at + 1), row.Real(at + 2), row.Real(at + 3)) : default)]));
    });

    /// <summary>The keys of metrics, params and tags among the newest and the oldest runs, by name.</summary>
    public IReadOnlyList<RunColumn> Keys(RunGridQuery query) => database.Read(session =>
    {
        var where = Where(session, query with { Filter = null, TopLevel = false, FoldStages = false });
        var ids = session.Query($"select r.id from run r where {where} order by r.started desc, r.id limit {KeysOfNewest}", row => row.Text(0));
        ids.AddRange(session.Query($"select r.id from run r where {where} order by r.started, r.id desc limit {KeysOfOldest}", row => row.Text(0)));
        return ids.Count == 0 ? [] : KeysOf(session, Sql.Join(", ", ids.Distinct().Select(id => (Sql)$"{id}")));
    });

    static List<RunColumn> KeysOf(SqlSession session, Sql ids) =>
    [
        .. session.Query($"select distinct key from run_metric where run in ({ids}) order by key", row => new RunColumn(RunColumnKind.Metric, row.Text(0))),
        .. session.Query($"select distinct key from run_param where run in ({ids}) order by key", row => new RunColumn(RunColumnKind.Param, row.Text(0))),
        .. session.Query($"select distinct key from run_tag where run in ({ids}) order by key", row => new RunColumn(RunColumnKind.Tag, row.Text(0))),
    ];

    static List<RunColumn> Few(SqlSession session, Sql ids, int metrics, int parameters) =>
    [
        .. KeyOrder.Sort(session.Query($"select key, count(*) from run_metric where run in ({ids}) and key not like {"system/%"} group by key", row => (Key: row.Text(0), Runs: row.Number(1))), k => k.Key)
            .OrderByDescending(k => k.Runs).Take(metrics).Select(k => new RunColumn(RunColumnKind.Metric, k.Key)),
        .. KeyOrder.Sort(session.Query($"select key, count(*), count(distinct value) from run_param where run in ({ids}) group by key", row => (Key: row.Text(0), Runs: row.Number(1), Values: row.Number(2))), k => k.Key)
            .OrderByDescending(k => k.Values > 1).ThenByDescending(k => k.Runs).Take(parameters).Select(k => new RunColumn(RunColumnKind.Param, k.Key)),
    ];

    /// <summary>A table of parents has the keys of their parts, too, as far as there is room.</summary>
    static List<RunColumn> WithParts(SqlSession session, RunGridQuery query, Sql ids, List<RunColumn> own, int metrics, int parameters)
    {
        if (!query.TopLevel || session.Query($"select id from run where parent in ({ids}) and lifecycle = 'active' limit {KeysOfNewest}", row => row.Text(0)) is not { Count: > 0 } parts) return own;
        var all = own.Concat(Few(session, Sql.Join(", ", parts.Select(id => (Sql)$"{id}")), metrics, parameters)).Distinct().ToList();
        return [.. all.Where(c => c.Kind == RunColumnKind.Metric).Take(metrics), .. all.Where(c => c.Kind == RunColumnKind.Param).Take(parameters)];
    }

    static List<RunColumn> Opened(SqlSession session, Sql ids, IReadOnlyList<RunColumn> columns)
    {
        if (!columns.Any(c => c.IsPattern)) return [.. columns.Distinct()];
        var keys = KeysOf(session, ids);
        return [.. columns.SelectMany(c => c.IsPattern ? keys.Where(k => c.Covers(k)) : [c]).Distinct()];
    }

    static void Fill(SqlSession session, List<RunGridRow> rows, Sql ids, IReadOnlyList<RunColumn> columns)
    {
        var byId = rows.ToDictionary(r => r.Id, r => r.Cells, StringComparer.Ordinal);
        foreach (var kind in columns.Select(c => c.Kind).Distinct())
        {
            if (kind == RunColumnKind.Attribute) continue;
            var place = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var i = 0; i < columns.Count; i++) if (columns[i].Kind == kind) place[columns[i].Key] = i;
            Sql keys = place.Count > ManyKeys ? Sql.Raw("") : $"and key in ({Sql.Join(", ", place.Keys.Select(k => (Sql)$"{k}"))})";
            if (kind == RunColumnKind.Metric)
                session.Query($"select run, key, value, is_nan from run_metric where run in ({ids}) {keys}", row =>
                {
                    if (place.TryGetValue(row.Text(1), out var at)) byId[row.Text(0)][at] = new(row.Flag(3) ? double.NaN : row.Real(2), null);
                    return true;
                });
            else
                session.Query($"select run, key, value from {Sql.Raw(kind == RunColumnKind.Param ? "run_param" : "run_tag")} where run in ({ids}) {keys}", row =>
                {
                    if (place.TryGetValue(row.Text(1), out var at)) byId[row.Text(0)][at] = new(null, row.Text(2));
                    return true;
                });
        }
    }

    /// <summary>Of those that failed, which a gate stopped.</summary>
    static IReadOnlyDictionary<string, string> Refused(SqlSession session, List<RunGridRow> rows) => rows.FindAll(r => r.Status == nameof(RunStatus.FAILED)) is { Count: > 0 } failed
        ? session.Query($"select run, value from run_tag where run in ({Ids(failed)}) and key = {PipelineRunner.RefusedTag}", row => KeyValuePair.Create(row.Text(0), row.Text(1))).ToDictionary()
        : new Dictionary<string, string>();

    static Sql Ids(List<RunGridRow> rows) => Sql.Join(", ", rows.Select(r => (Sql)$"{r.Id}"));

    Sql Where(SqlSession session, RunGridQuery query)
    {
        Sql within = query.Experiments.Count switch
        {
            0 => (Sql)$"r.experiment in (select id from experiment where workspace = {workspace} and lifecycle = {"active"})",
            1 => $"r.experiment = {query.Experiments[0]} and {query.Experiments[0]} in (select id from experiment where workspace = {workspace})",
            _ => $"r.experiment in (select id from experiment where workspace = {workspace} and id in ({Sql.Join(", ", query.Experiments.Select(e => (Sql)$"{e}"))}))",
        };
        var lifecycle = query.Deleted ? "deleted" : "active";
        Sql place = query.Parent is { } parent ? $"and r.parent = {parent}"
            : query.FoldStages ? Unfolded(session, query, within)
            : query.TopLevel ? $"and (r.parent is null or not exists (select 1 from run above where above.id = r.parent and above.experiment = r.experiment and above.lifecycle = {lifecycle}))" : (Sql)$"";
        return $"{within} and r.lifecycle = {lifecycle} {place} {SearchSql.Runs(query.Filter, [], session.Dialect).Where}";
    }

    static Sql Unfolded(SqlSession session, RunGridQuery query, Sql within)
    {
        var lifecycle = query.Deleted ? "deleted" : "active";
        Sql has = query.Sort.Kind switch
        {
            RunColumnKind.Metric => $"exists (select 1 from run_metric p where p.run = r.parent and p.key = {query.Sort.Key})",
            RunColumnKind.Param => $"exists (select 1 from run_param p where p.run = r.parent and p.key = {query.Sort.Key})",
            RunColumnKind.Tag => $"exists (select 1 from run_tag p where p.run = r.parent and p.key = {query.Sort.Key})",
            _ => Sql.Raw("1 = 1"),
        };
        // the inner r is the pipeline's run
        return $"""
            and (r.parent is null or not exists (select 1 from run_tag k where k.run = r.id and k.key = {PipelineRunner.KindTag} and k.value = {"stage"})
              or not ({has} and r.parent in (select r.id from run r where {within} and r.lifecycle = {lifecycle} {SearchSql.Runs(query.Filter, [], session.Dialect).Where})))
            """;
    }

    /// <summary>One part of the order.</summary>
    /// <param name="Text">Its values are text, not numbers.</param>
    /// <param name="Whole">Its numbers are whole.</param>
    readonly record struct Term(string Expression, bool Descending, bool Text = false, bool Whole = false);

    static Sql Join(RunGridQuery query) => query.Sort.Kind switch
    {
        RunColumnKind.Metric => $"left join run_metric o on o.run = r.id and o.key = {query.Sort.Key}",
        RunColumnKind.Param => $"left join run_param o on o.run = r.id and o.key = {query.Sort.Key}",
        RunColumnKind.Tag => $"left join run_tag o on o.run = r.id and o.key = {query.Sort.Key}",
        _ => Sql.Raw(query.Sort.Key == "experiment" ? "join experiment e on e.id = r.experiment" : ""),
    };

    // numbers by size, then texts by their characters, then what is missing: whichever way it is sorted
    List<Term> Order(RunGridQuery query)
    {
        var desc = !query.Ascending;
        List<Term> first = query.Sort.Kind switch
        {
            RunColumnKind.Metric => [new("case when o.value is null then 2 when o.is_nan = 1 then 1 else 0 end", false, Whole: true), new("coalesce(o.value, 0)", desc)],
            RunColumnKind.Param or RunColumnKind.Tag =>
                [new($"case when o.value is null then 2 when {IsNumber} then 0 else 1 end", false, Whole: true), new($"case when {IsNumber} then cast(o.value as {Real}) else 0 end", desc), new("coalesce(o.value, '')", desc, Text: true)],
            _ => query.Sort.Key switch
            {
                "run_name" => [new("r.name", desc, Text: true)],
                "status" => [new("r.status", desc, Text: true)],
                "user_id" => [new("r.user_id", desc, Text: true)],
                "run_id" => [],
                "experiment" => [new("e.name", desc, Text: true)],
                "end_time" => [new("case when r.ended is null then 1 else 0 end", false, Whole: true), new("coalesce(r.ended, 0)", desc, Whole: true)],
                "duration" => [new("case when r.ended is null then 1 else 0 end", false, Whole: true), new("coalesce(r.ended - r.started, 0)", desc, Whole: true)],
                _ => [],
            },
        };
        if (query.Sort is { Kind: RunColumnKind.Attribute, Key: "run_id" }) return [new("r.id", desc, Text: true)];
        first.Add(new("r.started", query.Sort is not { Kind: RunColumnKind.Attribute, Key: "start_time" } || desc, Whole: true));
        first.Add(new("r.id", false, Text: true));
        return first;
    }

    string Real => database.Dialect == SqlDialect.Sqlite ? "real" : "double precision";

    string IsNumber => database.Dialect == SqlDialect.Sqlite
        ? "(o.value glob '*[0-9]*' and o.value glob '[-+.0-9]*' and o.value not glob '*[^-+.0-9eE]*' and o.value not glob '*.*.*' and o.value not glob '*[eE]*[eE]*' and o.value not glob '*[eE]' and (o.value not glob '?*[-+]*' or o.value glob '*[0-9.][eE][-+][0-9]*'))"
        : "o.value ~ '^[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]{1,2})?$'";

    /// <summary>
    /// The best or worst by a metric of one experiment, read in the order of the index of metrics by value: as long as there are numbers, the other runs are not looked at.
    /// Null: this page begins among those that have no number, or there is no such index.
    /// </summary>
    static List<RunGridRow>? ByMetric(SqlSession session, RunGridQuery query, List<Term> terms, Sql where, object[]? anchor, bool backward)
    {
        if (query.Sort.Kind != RunColumnKind.Metric || query.Experiments.Count != 1 || (anchor is not null && (long)anchor[0] != 0)) return null;
        List<Term> numbers = [new("o.value", terms[1].Descending), .. terms[2..]];
        // cross join: SQLite takes the tables in this order
        Sql from = $"from run_metric o cross join run r";
        Sql among = $"r.id = o.run and o.experiment = {query.Experiments[0]} and o.key = {query.Sort.Key} and o.is_nan = 0 and {where}";
        var rows = Rows(session, from, anchor is null ? among : $"{among} and {Beyond(numbers, anchor[1..], backward)}", numbers, backward, query.Limit + 1);
        if (rows.Count <= query.Limit && !backward)
            rows.AddRange(Rows(session, $"from run r {Join(query)}", $"{where} and (o.value is null or o.is_nan = 1)", terms, backward, query.Limit + 1 - rows.Count));
        return rows;
    }

    static List<RunGridRow> Rows(SqlSession session, Sql from, Sql where, List<Term> terms, bool backward, int limit)
    {
        var order = string.Join(", ", terms.Select(t => $"{t.Expression} {(t.Descending != backward ? "desc" : "asc")}"));
        return session.Query($"select r.id, r.experiment, r.name, r.user_id, r.status, r.started, r.ended, r.parent {from} where {where} order by {Sql.Raw(order)} limit {limit}",
            row => new RunGridRow(row.Text(0), row.Number(1), "", row.Text(2), row.Text(3), row.Text(4), row.Number(5), row.NumberOrNull(6), row.TextOrNull(7), []));
    }

    /// <summary>The values by which a run stands where it stands.</summary>
    object[] Anchor(SqlSession session, RunGridQuery query, List<Term> terms, string run)
    {
        var columns = string.Join(", ", terms.Select(t => t.Text ? t.Expression : $"cast({t.Expression} as {(t.Whole ? "bigint" : Real)})"));
        return session.First($"select {Sql.Raw(columns)} from run r {Join(query)} where r.id = {run}", row => terms.Select((t, i) => t.Text ? row.Text(i) : t.Whole ? (object)row.Number(i) : row.Real(i)).ToArray())
            ?? throw TaktException.NotFound($"run {run}, from which this page continues, is gone; begin at the first page");
    }

    static Sql Beyond(List<Term> terms, object[] values, bool backward)
    {
        var rest = Sql.Raw("1 = 0");
        for (var i = terms.Count - 1; i >= 0; i--)
        {
            var expression = Sql.Raw(terms[i].Expression);
            var side = Sql.Raw(terms[i].Descending != backward ? "<" : ">");
            if (i > 0) rest = $"{expression} {side} {values[i]} or ({expression} = {values[i]} and ({rest}))";
            // this comparison alone lets an index skip what lies before
            else rest = $"({expression} {side}= {values[i]} and ({expression} {side} {values[i]} or ({rest})))";
        }
        return rest;
    }

    static (Sql Join, string Value) Value(RunColumn by) => by.Kind switch
    {
        RunColumnKind.Param => ($"left join run_param g on g.run = r.id and g.key = {by.Key}", "g.value"),
        RunColumnKind.Tag => ($"left join run_tag g on g.run = r.id and g.key = {by.Key}", "g.value"),
        RunColumnKind.Attribute when by.Key is "status" => (Sql.Raw(""), "r.status"),
        RunColumnKind.Attribute when by.Key is "user_id" => (Sql.Raw(""), "r.user_id"),
        RunColumnKind.Attribute when by.Key is "run_name" => (Sql.Raw(""), "r.name"),
        RunColumnKind.Attribute when by.Key is "experiment" => (Sql.Raw("join experiment g on g.id = r.experiment"), "g.name"),
        _ => throw TaktException.Invalid($"runs can't be grouped by {by}; group by params.KEY, tags.KEY, status, user_id, run_name or experiment"),
    };
}
