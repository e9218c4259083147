using System.Globalization;
using DuckDB.NET.Data;
using Verdict = Takt.Data.ExpectationProbe.Verdict;

namespace Takt.Data;

/// <summary>A column's distribution against that of a version: from the version's profile, and from its files only for what a profile can't tell.</summary>
sealed class DriftProbes(ColumnExpectation column, DriftBound drift, CheckContext context, string name, ColumnType type)
{
    public IEnumerable<ExpectationProbe> All()
    {
        var against = drift.Against;
        if (!context.Profiles.TryGetValue(against, out var profile))
        {
            yield return Probe($"drift against {against}", _ => new(CheckStatus.Skipped, against == DriftBound.Previous ? "there is no version before" : $"the profile of {against} is not at hand where files are checked; 'takt data check NAME' compares a version with it"));
            yield break;
        }
        if (profile.Find(column.Name) is not { } reference)
        {
            yield return Probe($"drift against {against}", _ => new(CheckStatus.Skipped, $"{against} does not have the column"));
            yield break;
        }
        if (reference.Count == 0)
        {
            yield return Probe($"drift against {against}", _ => new(CheckStatus.Skipped, $"the column of {against} has no values"));
            yield break;
        }
        if (drift.Psi is not null || drift.JensenShannon is not null || drift.ChiSquareP is not null || drift.NewValues is not null)
        {
            // counted once, asked up to four times
            Lazy<(long[] Before, long[] Now)>? counts = null;
            (long[] Before, long[] Now) Counts(DuckDBConnection connection) => (counts ??= new(() => Binned(connection, reference))).Value;
            if (drift.Psi is { } psi)
                yield return Probe($"drift.psi {Text(psi)} against {against}", connection => Most(Distribution.Psi(Counts(connection).Before, Counts(connection).Now), psi, "the PSI"));
            if (drift.JensenShannon is { } js)
                yield return Probe($"drift.js {Text(js)} against {against}", connection => Most(Distribution.JensenShannon(Counts(connection).Before, Counts(connection).Now), js, "Jensen and Shannon's distance"));
            if (drift.ChiSquareP is { } p)
                yield return Probe($"drift.chi2-p {Text(p)} against {against}", connection =>
                {
                    var found = Distribution.ChiSquareP(Counts(connection).Before, Counts(connection).Now);
                    return new(found >= p ? CheckStatus.Passed : CheckStatus.Failed, $"the p of the chi-square test is {found.ToString("G3", CultureInfo.InvariantCulture)}", Observed: found);
                });
            if (drift.NewValues is { } share) yield return NewValues(reference, share);
        }
        if (drift.Ks is { } ks) yield return KolmogorovSmirnov(ks);
        if (drift.Mean is { } mean) yield return Change("mean", $"avg({Finite}) ", reference.Mean, mean);
        if (drift.Std is { } std) yield return Change("std", $"stddev_samp({Finite}) ", reference.Std, std);
        if (drift.Nulls is { } nulls)
            yield return new(column.Name, $"drift.nulls {Text(nulls)} against {against}", column.Severity, column.Where, column.Label)
            {
                Aggregates = [$"count(*) filter ({ExpectationProbes.And(column.Where, $"{Finite} is null")})", column.Where is null ? "count(*)" : $"count(*) filter ({ExpectationProbes.Filter(column.Where)})"],
                Judge = values =>
                {
                    var now = (double)ExpectationProbes.Long(values[1]) / Math.Max(1, ExpectationProbes.Long(values[2]));
                    var before = (double)reference.Missing / Math.Max(1, profile.Rows);
                    return new(Math.Abs(now - before) <= nulls ? CheckStatus.Passed : CheckStatus.Failed,
                        $"{ExpectationCheck.Share(now)} have no value, {ExpectationCheck.Share(before)} had none", Observed: now - before);
                },
            };
    }

    /// <summary>The value as a profile counts it: missing ones null, times as microseconds.</summary>
    string Finite => type switch
    {
        ColumnType.Text => name,
        ColumnType.Time => $"epoch_us({name})::double",
        ColumnType.Number => $"case when isfinite({name}::double) then {name}::double end",
        _ => $"{name}::double",
    };

    string Where(string rule) => ExpectationProbes.And(column.Where, rule);

    (long[] Before, long[] Now) Binned(DuckDBConnection connection, ColumnProfile reference)
    {
        if (reference.Type == ColumnType.Text || reference.TopIsAll || reference.BinCounts.Count == 0) return Categories(connection, reference);
        var cuts = reference.Cuts.Select(cut => $"count(*) filter ({Finite} <= {DuckDb.Number(cut)})").Append($"count({Finite})");
        var row = ExpectationProbes.Row(connection, $"select {string.Join(", ", cuts)} from {ExpectationCheck.Data} where {Where("true")}");
        var now = new long[reference.BinCounts.Count];
        long below = 0;
        for (var bin = 0; bin < now.Length; bin++)
        {
            var upTo = ExpectationProbes.Long(row[bin]);
            now[bin] = upTo - below;
            below = upTo;
        }
        return ([.. reference.BinCounts], now);
    }

    (long[] Before, long[] Now) Categories(DuckDBConnection connection, ColumnProfile reference)
    {
        var places = reference.Top.Select((top, i) => (top.Value, i)).ToDictionary(t => t.Value, t => t.i, StringComparer.Ordinal);
        var (before, now) = (new long[places.Count + 1], new long[places.Count + 1]);
        foreach (var (top, i) in reference.Top.Select((top, i) => (top, i))) before[i] = top.Count;
        before[^1] = reference.Count - reference.Top.Sum(top => top.Count);
        using var command = connection.CreateCommand();
        var known = string.Join(", ", reference.Top.Select(top => DuckDb.Text(top.Value)));
        command.CommandText = $"""
            select case when {name}::varchar in ({known}) then {name}::varchar end as v, count(*)
            from {ExpectationCheck.Data} where {Where($"{Finite} is not null")} group by v
            """;
        using var reader = command.ExecuteReader();
        while (reader.Read()) now[reader.IsDBNull(0) ? ^1 : places[reader.GetString(0)]] += reader.GetInt64(1);
        // others that neither has are no bin of their own
        return before[^1] == 0 && now[^1] == 0 ? (before[..^1], now[..^1]) : (before, now);
    }

    ExpectationProbe NewValues(ColumnProfile reference, double share) => Probe($"drift.new-values {Text(share)} against {drift.Against}", connection =>
    {
        if (!reference.TopIsAll) return new(CheckStatus.Skipped, $"the column had {reference.Distinct:N0} different values, more than a profile names ({TableProfile.MostTop} texts, {TableProfile.FewValues} numbers); use references: for that");
        var known = string.Join(", ", reference.Top.Select(top => DuckDb.Text(top.Value)));
        var broken = Where($"{Finite} is not null and {name}::varchar not in ({known})");
        var row = ExpectationProbes.Row(connection, $"select count(*) filter ({broken}), count(*) filter ({Where("true")}) from {ExpectationCheck.Data}");
        var (count, rows) = (ExpectationProbes.Long(row[0]), ExpectationProbes.Long(row[1]));
        return new(count <= share * rows ? CheckStatus.Passed : CheckStatus.Failed, $"{count:N0} of {rows:N0} rows have a value that is new", count, rows == 0 ? null : (double)count / rows,
            $"select * from {ExpectationCheck.Data} where {broken}");
    });

    ExpectationProbe KolmogorovSmirnov(double most) => Probe($"drift.ks {Text(most)} against {drift.Against}", connection =>
    {
        if (type == ColumnType.Text) return new(CheckStatus.Failed, "texts have no order for it; use psi, js or chi2-p");
        if (!context.Files.ContainsKey(drift.Against)) return new(CheckStatus.Skipped, $"the files of {drift.Against} are not at hand where files are checked; 'takt data check NAME' compares a version with them");
        var row = ExpectationProbes.Row(connection, $"""
            with found as (
                select v, count(*) filter (which = 0) as a, count(*) filter (which = 1) as b from (
                    select {Finite} as v, 0 as which from {DuckDb.Name(drift.Against)} where {Where("true")}
                    union all select {Finite}, 1 from {ExpectationCheck.Data} where {Where("true")})
                where v is not null group by v),
            steps as (select sum(a) over (order by v) as a, sum(b) over (order by v) as b, sum(a) over () as n, sum(b) over () as m from found)
            select max(abs(a::double / nullif(n, 0) - b::double / nullif(m, 0))), max(n), max(m) from steps
            """);
        if (row[0] is null) return new(CheckStatus.Skipped, "one of the two has no values");
        var d = Convert.ToDouble(row[0], CultureInfo.InvariantCulture);
        var p = Distribution.KsP(d, ExpectationProbes.Long(row[1]), ExpectationProbes.Long(row[2]));
        return new(d <= most ? CheckStatus.Passed : CheckStatus.Failed, $"Kolmogorov and Smirnov's D is {ExpectationProbes.Round(d)} (p {p.ToString("G3", CultureInfo.InvariantCulture)})", Observed: d);
    });

    ExpectationProbe Change(string statistic, string aggregate, double? before, double most) =>
        new(column.Name, $"drift.{statistic} {Text(most)} against {drift.Against}", column.Severity, column.Where, column.Label)
        {
            Aggregates = [type == ColumnType.Text ? "null::double" : aggregate + (column.Where is null ? "" : $"filter ({ExpectationProbes.Filter(column.Where)})")],
            Judge = values =>
            {
                if (values[1] is null || before is not { } was) return new(CheckStatus.Failed, $"the {statistic} is undefined: there are too few values");
                var now = Convert.ToDouble(values[1], CultureInfo.InvariantCulture);
                var change = was == 0 ? now == 0 ? 0 : double.PositiveInfinity : Math.Abs(now - was) / Math.Abs(was);
                return new(change <= most ? CheckStatus.Passed : CheckStatus.Failed,
                    $"the {statistic} is {ExpectationProbes.Round(now)} and was {ExpectationProbes.Round(was)}, a change of {ExpectationCheck.Share(change)}", Observed: change);
            },
        };

    ExpectationProbe Probe(string rule, Func<DuckDBConnection, Verdict> own) => new(column.Name, rule, column.Severity, column.Where, column.Label) { Own = own };

    static Verdict Most(double value, double most, string what) =>
        new(value <= most ? CheckStatus.Passed : CheckStatus.Failed, $"{what} is {ExpectationProbes.Round(value)}", Observed: value);

    static string Text(double value) => ExpectationProbes.Invariant(value);
}
