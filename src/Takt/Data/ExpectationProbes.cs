using System.Globalization;
using DuckDB.NET.Data;
using Verdict = Takt.Data.ExpectationProbe.Verdict;

namespace Takt.Data;

/// <summary>Turns expectations about values into SQL.</summary>
sealed class ExpectationProbes(DuckDBConnection connection, Expectations expectations, CheckContext context,
    IReadOnlyDictionary<string, ColumnSchema> present, IReadOnlySet<string> unfit, IReadOnlySet<string> valueless)
{
    const string Data = ExpectationCheck.Data;

    /// <summary>At most so many keys that occur twice are looked up to show their rows.</summary>
    const int ShownKeys = 5;

    public List<ExpectationProbe> All() =>
    [
        .. expectations.Columns.Where(column => !unfit.Contains(column.Name) && present.ContainsKey(column.Name)).SelectMany(Column),
        .. expectations.Table.SelectMany(Table),
    ];

    IEnumerable<ExpectationProbe> Column(ColumnExpectation column)
    {
        var type = column.Type ?? present[column.Name].Type;
        var name = DuckDb.Name(column.Name);
        if (valueless.Contains(column.Name)) name = $"try_cast({name} as {Stored(type)})";
        var text = $"{name}::varchar";
        var missing = type == ColumnType.Number ? $"({name} is null or isnan({name}::double))" : $"{name} is null";
        if (column.Where is { } filter) SqlExpression.Require(connection, $"column '{column.Name}', where", filter);

        if (column.MaxNulls is { } nulls) yield return Values($"nulls {Invariant(nulls)}", missing, "have no value", nulls);
        if (column.MaxEmpty is { } empty) yield return Values($"empty {Invariant(empty)}", $"trim({text}) = ''", "are empty", empty);
        if (column.MaxNotFinite is { } infinite && type is ColumnType.Number or ColumnType.Integer)
            yield return Values($"nan {Invariant(column.MaxNotFinite.Value)}", $"not isfinite({name}::double)", "are NaN or infinite", column.MaxNotFinite.Value);
        if (column.RequiredIf is { } condition)
        {
            SqlExpression.Require(connection, $"column '{column.Name}', required-if", condition);
            yield return Values($"required-if {condition}", $"({condition}\n) and {missing}", "have no value where one is required");
        }
        if (column.Min is { } min) yield return Values($"min {min}", $"{name} < {Bound(type, min)}", "are below");
        if (column.Max is { } max) yield return Values($"max {max}", $"{name} > {Bound(type, max)} and not ({missing})", "are above");
        if (column.Matches is { } pattern) yield return Values($"matches {pattern}", $"not regexp_full_match({text}, {DuckDb.Text(pattern)})", "don't match");
        if (column.In.Count > 0) yield return Values($"in [{Listed(column.In)}]", $"{text} not in ({string.Join(", ", column.In.Select(DuckDb.Text))})", "have another value");
        if (column.NotIn.Count > 0) yield return Values($"not-in [{Listed(column.NotIn)}]", $"{text} in ({string.Join(", ", column.NotIn.Select(DuckDb.Text))})", "have a value that is not allowed");
        if (column.MinLength is { } shortest) yield return Values($"length.min {shortest}", $"length({text}) < {shortest}", "are shorter");
        if (column.MaxLength is { } longest) yield return Values($"length.max {longest}", $"length({text}) > {longest}", "are longer");
        if (column.Format is { } format)
            yield return Values($"format {format}", $"{name} is not null and try_strptime({text}, {DuckDb.Text(format)}) is null", "can't be read as such a time");
        if (column.Json is { } json)
        {
            var kind = json == "any" ? "" : $" or coalesce(json_type({text}), '') <> '{json.ToUpperInvariant()}'";
            yield return Values($"json {json}", $"{name} is not null and case when json_valid({text}) then false{kind} else true end", "are no such JSON");
        }
        if (column.JsonKeys.Count > 0)
        {
            var lacking = string.Join(" or ", column.JsonKeys.Select(key => $"not json_exists({text}, {DuckDb.Text($"$.\"{key.Replace("\"", "\\\"")}\"")})"));
            yield return Values($"json.keys [{Listed(column.JsonKeys)}]", $"{name} is not null and case when json_valid({text}) then {lacking} else true end", "lack a member");
        }
        foreach (var bound in column.Statistics) yield return Statistic(column, name, bound);
        if (column.Unique) yield return Unique(column.Name, "unique", [name], column.Where, column.Severity, column.Label);
        if (column.Order is { } order) yield return Order(column, name, order);
        if (column.Fresh is { } age) yield return Fresh(column, name, age);
        if (column.MaxGap is { } gap) yield return Gap(column, name, gap);
        if (column.References is { } foreign) yield return Keys(column.Name, "references", [name], foreign, column.Where, column.Severity, column.Label, wanted: true);
        if (column.Disjoint is { } other) yield return Keys(column.Name, "disjoint", [name], other, column.Where, column.Severity, column.Label, wanted: false);
        if (column.Drift is { } drift)
            foreach (var probe in new DriftProbes(column, drift, context, name, type).All()) yield return probe;

        ExpectationProbe Values(string rule, string broken, string message, double? share = null)
        {
            var allowed = share ?? column.Allowed;
            if (share is null && allowed > 0) rule += $", allow {Invariant(allowed)}";
            return new(column.Name, rule, column.Severity, column.Where, column.Label)
            {
                Aggregates = [$"count(*) filter ({And(column.Where, broken)})", column.Where is null ? "0" : $"count(*) filter ({Filter(column.Where)})"],
                Judge = values =>
                {
                    var count = Long(values[1]);
                    var rows = column.Where is null ? Long(values[0]) : Long(values[2]);
                    var ok = count <= allowed * rows;
                    return new(ok ? CheckStatus.Passed : CheckStatus.Failed, $"{count:N0} of {rows:N0} rows {message}", count, rows == 0 ? null : (double)count / rows,
                        $"select * from {Data} where {And(column.Where, broken)}");
                },
            };
        }
    }

    IEnumerable<ExpectationProbe> Table(TableExpectation table)
    {
        if (table.Where is { } filter) SqlExpression.Require(connection, $"{table.Label ?? "a rule of the table"}, where", filter);
        var gone = table.Key.Where(name => !present.ContainsKey(name) || unfit.Contains(name)).ToList();
        var keys = table.Key.Select(DuckDb.Name).ToList();
        if (gone.Count > 0)
            yield return Fixed($"key [{Listed(table.Key)}]", new(CheckStatus.Failed, $"no column '{string.Join("', '", gone)}' whose values could be looked at"));
        else if (table.References is { } foreign)
            yield return Keys(null, $"[{Listed(table.Key)}] references", keys, foreign, table.Where, table.Severity, table.Label, wanted: true);
        else if (table.Disjoint is { } other)
            yield return Keys(null, $"[{Listed(table.Key)}] disjoint", keys, other, table.Where, table.Severity, table.Label, wanted: false);
        else if (table.Key.Count > 0)
            yield return Unique(null, $"key [{Listed(table.Key)}]", keys, table.Where, table.Severity, table.Label);
        if (table.DuplicateRows is { } share) yield return Duplicates(table, share);
        if (table.Sql is { } sql) yield return Sql(table, sql);
        if (table.Predicate is { } predicate) yield return Predicate(table, predicate);
        if (table.Anomaly is { } metric) yield return Anomaly(table, metric);
        if (table.RowsOf is { } reference) yield return RowsOf(table, reference);

        ExpectationProbe Fixed(string rule, Verdict verdict) => new(null, rule, table.Severity, table.Where, table.Label) { Own = _ => verdict };
    }

    ExpectationProbe Statistic(ColumnExpectation column, string name, StatisticBound bound)
    {
        var rule = $"{bound.Statistic} {(bound.Min is { } least ? $"≥ {Invariant(least)}" : "")}{(bound is { Min: not null, Max: not null } ? " and " : "")}{(bound.Max is { } most ? $"≤ {Invariant(most)}" : "")}";
        return new(column.Name, rule, column.Severity, column.Where, column.Label)
        {
            Aggregates = [Aggregate(name, bound.Statistic, column.Where)],
            Judge = values =>
            {
                if (values[1] is null) return new(CheckStatus.Failed, $"the {bound.Statistic} is undefined: there are too few values");
                var value = Convert.ToDouble(values[1], CultureInfo.InvariantCulture);
                var ok = !double.IsNaN(value) && !(value < bound.Min) && !(value > bound.Max);
                return new(ok ? CheckStatus.Passed : CheckStatus.Failed, $"the {bound.Statistic} is {Round(value)}", Observed: value);
            },
        };
    }

    /// <summary>An aggregate over the finite values of a column.</summary>
    string Aggregate(string name, string statistic, string? where)
    {
        var value = $"{name}::double";
        var filter = where is null ? $"filter (isfinite({value}))" : $"filter ({Filter(where)} and isfinite({value}))";
        if (statistic.StartsWith("share ", StringComparison.Ordinal))
            return $"(count(*) filter ({And(where, $"{name}::varchar = {DuckDb.Text(statistic[6..])}")}))::double / nullif(count({name}){(where is null ? "" : $" filter ({Filter(where)})")}, 0)";
        if (statistic.StartsWith("corr ", StringComparison.Ordinal))
        {
            var other = statistic[5..];
            if (!present.ContainsKey(other) || unfit.Contains(other)) return "null::double";
            // as scipy.stats.pearsonr, over the rows that have both
            return $"corr({value}, {DuckDb.Name(other)}::double) filter ({And(where, $"isfinite({value}) and isfinite({DuckDb.Name(other)}::double)")})";
        }
        return statistic switch
        {
            "distinct" => $"count(distinct {name}){(where is null ? "" : $" filter ({Filter(where)})")}",
            "mean" => $"avg({value}) {filter}",
            "std" => $"stddev_samp({value}) {filter}",
            "sum" => $"sum({value}) {filter}",
            "min" => $"min({value}) {filter}",
            "max" => $"max({value}) {filter}",
            "median" => $"quantile_cont({value}, 0.5) {filter}",
            _ => $"quantile_cont({value}, {statistic[1..]}) {filter}",
        };
    }

    static ExpectationProbe Unique(string? column, string rule, IReadOnlyList<string> keys, string? where, Severity severity, string? label)
    {
        var list = string.Join(", ", keys);
        var there = And(where, string.Join(" and ", keys.Select(key => $"{key} is not null")));
        return new(column, rule, severity, where, label)
        {
            Own = connection =>
            {
                // exact: an estimate overshoots, and would call a unique key a broken one
                var repeated = Long(Scalar(connection, $"select coalesce(sum(n - 1), 0) from (select count(*) as n from {Data} where {there} group by {list} having count(*) > 1)"));
                var rows = Long(Scalar(connection, $"select count(*) from {Data}{(where is null ? "" : $" where {Filter(where)}")}"));
                var twice = $"select {list} from {Data} where {there} group by all having count(*) > 1 limit {ShownKeys}";
                return new(repeated == 0 ? CheckStatus.Passed : CheckStatus.Failed, $"{repeated:N0} of {rows:N0} rows repeat a value", repeated, rows == 0 ? null : (double)repeated / rows,
                    $"select * from {Data} where {there} and ({list}) in ({twice}) qualify row_number() over (partition by {list}) > 1");
            },
        };
    }

    static ExpectationProbe Duplicates(TableExpectation table, double share) => new(null, $"duplicate-rows {Invariant(share)}", table.Severity, table.Where, table.Label)
    {
        Own = connection =>
        {
            var source = $"(select * exclude (\"takt file\") from {Data}{(table.Where is null ? "" : $" where {Filter(table.Where)}")})";
            var row = Row(connection, $"select coalesce(sum(\"takt n\" - 1), 0), coalesce(sum(\"takt n\"), 0) from (select *, count(*) as \"takt n\" from {source} group by all)");
            var (repeated, rows) = (Long(row[0]), Long(row[1]));
            return new(repeated <= share * rows ? CheckStatus.Passed : CheckStatus.Failed, $"{repeated:N0} of {rows:N0} rows repeat another one", repeated, rows == 0 ? null : (double)repeated / rows,
                $"select * exclude (\"takt n\") from (select *, count(*) as \"takt n\" from {source} group by all) where \"takt n\" > 1");
        },
    };

    static ExpectationProbe Order(ColumnExpectation column, string name, string order)
    {
        var step = order switch { "increasing" => "<", "strictly-increasing" => "<=", "decreasing" => ">", _ => ">=" };
        // without an order of its own, a window goes through the rows as they stand in the files
        var broken = $"select * exclude (before) from (select *, lag({name}) over () as before from {Data} where {And(column.Where, $"{name} is not null")}) where {name} {step} before";
        return new(column.Name, $"order {order}", column.Severity, column.Where, column.Label)
        {
            Own = connection =>
            {
                var count = Long(Scalar(connection, $"select count(*) from ({broken})"));
                return new(count == 0 ? CheckStatus.Passed : CheckStatus.Failed, $"{count:N0} rows are not {order} after the one before", count, Rows: broken);
            },
        };
    }

    ExpectationProbe Fresh(ColumnExpectation column, string name, TimeSpan age) => new(column.Name, $"fresh {Duration(age)}", column.Severity, column.Where, column.Label)
    {
        Aggregates = [$"max(epoch_us({name}::timestamp)){(column.Where is null ? "" : $" filter ({Filter(column.Where)})")}"],
        Judge = values =>
        {
            if (values[1] is null) return new(CheckStatus.Failed, "there is no time");
            var newest = DateTimeOffset.UnixEpoch.AddTicks(Long(values[1]) * 10);
            var old = context.Now - newest;
            return new(old <= age ? CheckStatus.Passed : CheckStatus.Failed, $"the newest is of {newest.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z, {Duration(old)} ago", Observed: old.TotalSeconds);
        },
    };

    static ExpectationProbe Gap(ColumnExpectation column, string name, TimeSpan most) => new(column.Name, $"gap {Duration(most)}", column.Severity, column.Where, column.Label)
    {
        Own = connection =>
        {
            var us = $"epoch_us({name}::timestamp)";
            var row = Row(connection, $"""
                select count(*) filter (t - before > {(long)most.TotalMicroseconds}), max(t - before), arg_max(before, t - before)
                from (select t, lag(t) over (order by t) as before from (select distinct {us} as t from {Data} where {And(column.Where, $"{name} is not null")}))
                """);
            if (row[1] is null) return new(CheckStatus.Passed, "fewer than two times");
            var (longest, from) = (TimeSpan.FromMicroseconds(Long(row[1])), DateTimeOffset.UnixEpoch.AddTicks(Long(row[2]) * 10));
            return new(Long(row[0]) == 0 ? CheckStatus.Passed : CheckStatus.Failed,
                $"{Long(row[0]):N0} gaps are longer; the longest is {Duration(longest)} from {from.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z on", Observed: longest.TotalSeconds);
        },
    };

    ExpectationProbe Keys(string? column, string rule, IReadOnlyList<string> keys, KeyReference other, string? where, Severity severity, string? label, bool wanted)
    {
        rule = $"{rule} {other.Dataset}.{string.Join(", ", other.Columns)}";
        return new(column, rule, severity, where, label)
        {
            Own = connection =>
            {
                if (!context.Files.ContainsKey(other.Dataset))
                    return other.Dataset == DriftBound.Previous ? new(CheckStatus.Skipped, "there is no version before") : new(CheckStatus.Skipped, $"the files of {other.Dataset} are not at hand where files are checked; 'takt data check NAME' compares a version with them");
                var there = And(where, string.Join(" and ", keys.Select(key => $"{key} is not null")));
                var on = string.Join(" and ", keys.Select((key, i) => $"d.{key} = r.k{i}"));
                var reference = $"(select distinct {string.Join(", ", other.Columns.Select((name, i) => $"{DuckDb.Name(name)} as k{i}"))} from {DuckDb.Name(other.Dataset)})";
                var broken = $"select d.* from (select * from {Data} where {there}) d {(wanted ? "anti" : "semi")} join {reference} r on {on}";
                var count = Long(Scalar(connection, $"select count(*) from ({broken})"));
                var rows = Long(Scalar(connection, $"select count(*) from {Data} where {there}"));
                return new(count == 0 ? CheckStatus.Passed : CheckStatus.Failed, $"{count:N0} of {rows:N0} rows have a value that {(wanted ? "is not there" : "is there as well")}", count,
                    rows == 0 ? null : (double)count / rows, broken);
            },
        };
    }

    static ExpectationProbe Sql(TableExpectation table, string sql) => new(null, table.Label is null ? $"sql {OneLine(sql)}" : "sql", table.Severity, null, table.Label)
    {
        Own = connection =>
        {
            SqlQuery.RequireOneSelect(connection, table.Label ?? "sql", SqlNames.Quote(sql));
            var query = SqlNames.Quote(sql).TrimEnd().TrimEnd(';');
            var count = Long(Scalar(connection, $"select count(*) from (\n{query}\n)"));
            return new(count == 0 ? CheckStatus.Passed : CheckStatus.Failed, count == 0 ? "no row" : $"{count:N0} rows", count, count, $"\n{query}\n");
        },
    };

    ExpectationProbe Predicate(TableExpectation table, string predicate)
    {
        SqlExpression.Require(connection, table.Label ?? "predicate", predicate);
        return new(null, $"predicate {OneLine(predicate)}", table.Severity, table.Where, table.Label)
        {
            Own = connection =>
            {
                var value = Scalar(connection, $"select (\n{predicate}\n) from {Data}{(table.Where is null ? "" : $" where {Filter(table.Where)}")}");
                return value switch
                {
                    true => new(CheckStatus.Passed, "it is true"),
                    false => new(CheckStatus.Failed, "it is false"),
                    null => new(CheckStatus.Failed, "it is null, neither true nor false"),
                    _ => new(CheckStatus.Failed, $"it is {value}, neither true nor false"),
                };
            },
        };
    }

    ExpectationProbe Anomaly(TableExpectation table, string metric)
    {
        var dot = metric.LastIndexOf('.');
        var (column, statistic) = dot < 0 ? (null, metric) : (metric[..dot], metric[(dot + 1)..]);
        var rule = $"anomaly {metric}, {table.Versions} versions, {Invariant(table.Sigma)} sigma";
        var probe = new ExpectationProbe(column, rule, table.Severity, null, table.Label);
        if (column is not null && (!present.ContainsKey(column) || unfit.Contains(column)))
            return probe with { Own = _ => new(CheckStatus.Failed, "the column is not there") };
        var history = context.History.Take(table.Versions).Select(profile => column is null ? profile.Rows : profile.Find(column) is { } known ? Stored(known, statistic, profile.Rows) : null).OfType<double>().ToList();
        if (history.Count < Outlier.Fewest)
            return probe with { Own = _ => new(CheckStatus.Skipped, $"there are {history.Count} earlier versions with it; {Outlier.Fewest} are needed") };
        var name = column is null ? "" : DuckDb.Name(column);
        var held = column is null ? ColumnType.Integer : present[column].Type;
        return probe with
        {
            Aggregates = [column is null ? "count(*)" : statistic == "nulls" ? $"(count(*) - count({name}))::double / nullif(count(*), 0)" : Aggregate(held == ColumnType.Time ? $"epoch_us({name})" : name, statistic, null)],
            Judge = values =>
            {
                if (values[1] is null) return new(CheckStatus.Failed, "it is undefined: there are no values");
                var value = Convert.ToDouble(values[1], CultureInfo.InvariantCulture);
                var (centre, scale) = Outlier.Scale(history);
                var far = scale == 0 ? value == centre ? 0 : double.PositiveInfinity : Math.Abs(value - centre) / scale;
                return new(far <= table.Sigma ? CheckStatus.Passed : CheckStatus.Failed,
                    $"it is {Round(value)}, {(double.IsInfinity(far) ? "and was always" : $"{Round(far)} sigma from")} {Round(centre)}, the median of {history.Count} versions", Observed: value);
            },
        };
    }

    static double? Stored(ColumnProfile column, string statistic, long rows) => statistic switch
    {
        "mean" => column.Mean,
        "std" => column.Std,
        "min" => column.Min,
        "max" => column.Max,
        "median" => column.Quantiles.Count == 11 ? column.Quantiles[5] : null,
        "distinct" => column.Distinct,
        _ => rows == 0 ? null : (double)column.Missing / rows,
    };

    ExpectationProbe RowsOf(TableExpectation table, string reference) => new(null, $"rows-of {reference}", table.Severity, null, table.Label)
    {
        Aggregates = ["count(*)"],
        Judge = values =>
        {
            if (!context.Profiles.TryGetValue(reference, out var other)) return new(CheckStatus.Skipped, $"{reference} has no table, or there is no such version yet");
            var rows = Long(values[1]);
            var ok = Math.Abs(rows - other.Rows) <= table.Tolerance * other.Rows;
            return new(ok ? CheckStatus.Passed : CheckStatus.Failed, $"{rows:N0} rows here, {other.Rows:N0} in {reference}", Observed: rows - other.Rows);
        },
    };

    internal static string Stored(ColumnType type) => type switch
    {
        ColumnType.Integer => "bigint",
        ColumnType.Number => "double",
        ColumnType.Boolean => "boolean",
        ColumnType.Time => "timestamp",
        _ => "varchar",
    };

    // a line of its own: a comment in it must not swallow what follows
    internal static string Filter(string where) => $"({where}\n)";

    internal static string And(string? where, string rule) => where is null ? rule : $"{Filter(where)} and ({rule})";

    static string Bound(ColumnType type, string value) => type == ColumnType.Time ? $"timestamp {DuckDb.Text(value)}" : type == ColumnType.Text ? DuckDb.Text(value) : value;

    internal static string Invariant(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    internal static string Round(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    internal static long Long(object? value) => value is null or DBNull ? 0 : value is System.Numerics.BigInteger big ? (long)big : Convert.ToInt64(value, CultureInfo.InvariantCulture);

    internal static string Duration(TimeSpan span) => span.TotalDays >= 2 ? $"{span.TotalDays:0.#}d" : span.TotalHours >= 2 ? $"{span.TotalHours:0.#}h" : span.TotalMinutes >= 2 ? $"{span.TotalMinutes:0.#}m" : $"{span.TotalSeconds:0.###}s";

    static string Listed(IReadOnlyList<string> values) => values.Count <= 20 ? string.Join(", ", values) : $"{string.Join(", ", values.Take(20))} and {values.Count - 20} more";

    static string OneLine(string sql) => string.Join(' ', sql.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)) is { Length: > 80 } cut ? cut[..80] + "…" : string.Join(' ', sql.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    internal static object? Scalar(DuckDBConnection connection, string sql) => Row(connection, sql)[0];

    internal static object?[] Row(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        if (!reader.Read()) return new object?[reader.FieldCount];
        return Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i)).ToArray();
    }
}
