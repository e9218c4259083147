using System.Globalization;
using Takt.Data;
using Takt.Pipelines;

namespace Takt.Tests.Data;

/// <summary>Every group of rules: one table that breaks the rule and one that keeps it, from the YAML to the message.</summary>
public sealed class ExpectationRulesTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    CheckReport Check(string csv, string yaml, CheckContext? context = null)
    {
        File.WriteAllText(Path.Combine(_folder, "t.csv"), csv.ReplaceLineEndings("\n"));
        return Read(yaml).Check([Path.Combine(_folder, "t.csv")], context);
    }

    Expectations Read(string yaml)
    {
        var path = Path.Combine(_folder, "expect.yaml");
        File.WriteAllText(path, yaml);
        return ExpectationReader.ReadFile(path, "expect.yaml");
    }

    static CheckResult Rule(CheckReport report, string rule) => report.Results.Single(r => r.Rule.StartsWith(rule, StringComparison.Ordinal));

    const string Orders = """
        id,status,shipped,note,code,day,price
        1,new,,"{""a"":1}",AB,2001-01-01,1.5
        2,sent,2001-01-03,"{""b"":1}",ABC,2001-01-02,2.5
        3,sent,,"[1]",A,2001-01-02,NaN
        4,new,,"{",AB,not a day,1e400
        4,new,," ",AB,2001-01-05,3
        """;

    [Fact]
    public void A_check_ends_when_it_is_told_to_however_long_one_of_its_queries_would_take()
    {
        var path = Path.Combine(_folder, "t.csv");
        File.WriteAllText(path, "id\n1\n");
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        Assert.ThrowsAny<OperationCanceledException>(() => Read("checks: [ { sql: select * from range(100000000000000) t(i) where i < 0 } ]").Check([path], null, stop.Token));
    }

    [Theory]
    [InlineData("columns: { note: { empty: 0 } }", "empty 0", 1)]
    [InlineData("columns: { price: { nan: 0 } }", "nan 0", 2)]
    [InlineData("columns: { shipped: { required-if: \"status = 'sent'\" } }", "required-if", 1)]
    [InlineData("columns: { status: { not-in: [sent] } }", "not-in", 2)]
    [InlineData("columns: { code: { length: { min: 2, max: 2 } } }", "length.min", 1)]
    [InlineData("columns: { code: { length: { min: 2, max: 2 } } }", "length.max", 1)]
    [InlineData("columns: { day: { format: \"%Y-%m-%d\" } }", "format", 1)]
    [InlineData("columns: { note: { json: object } }", "json object", 3)]
    [InlineData("columns: { note: { json: { is: any, keys: [a] } } }", "json.keys", 4)]
    [InlineData("columns: { id: { order: strictly-increasing } }", "order", 1)]
    [InlineData("columns: { id: { unique: true } }", "unique", 1)]
    [InlineData("columns: { id: { unique: true, where: \"id < 4\" } }", "unique", 0)]
    [InlineData("columns: { code: { matches: \"[A-Z]{2}\", allow: 40% } }", "matches", 2)]
    [InlineData("checks: [ { key: [status, code] } ]", "key", 2)]
    [InlineData("checks: [ { key: [status, day] } ]", "key", 1)]
    [InlineData("checks: [ { column: id, max: 3, where: \"status = 'new'\" } ]", "max", 2)]
    public void Rules_about_values_count_the_rows_that_break_them(string yaml, string rule, long count)
    {
        var result = Rule(Check(Orders, yaml), rule);
        Assert.Equal(count, result.Count);
        Assert.Equal(count == 0 || yaml.Contains("allow") ? CheckStatus.Passed : CheckStatus.Failed, result.Status);
        if (result.Status == CheckStatus.Failed) Assert.Equal(count, result.Rows.Count);
    }

    [Theory]
    [InlineData("rows: { min: 6 }", "fewer than rows.min 6")]
    [InlineData("absent: [note]", "column 'note', absent: the column is there")]
    [InlineData("order: [code, status]", "order [code, status]: the columns stand in the order status, code")]
    [InlineData("duplicate-rows: 0\nrows: { min: 0 }", "")]
    [InlineData("checks: [ { sql: \"select * from data where id > 3\", name: big } ]", "big (sql): 2 rows")]
    [InlineData("checks: [ { predicate: \"max(id) < 4\" } ]", "predicate max(id) < 4: it is false")]
    [InlineData("columns: { gone: { type: integer } }", "column 'gone', present")]
    [InlineData("columns: { id: { mean: { max: 2.5 } } }", "the mean is 2.8")]
    [InlineData("columns: { id: { quantiles: { 0.5: { min: 4 } } } }", "the q0.5 is 3")]
    [InlineData("columns: { status: { shares: { sent: { max: 0.3 } } } }", "the share sent is 0.4")]
    [InlineData("columns: { status: { distinct: { min: 3 } } }", "the distinct is 2")]
    [InlineData("columns: { id: { correlation: { id: { max: 0.9 } } } }", "the corr id is 1")]
    public void Rules_about_tables_and_statistics_say_what_was_found(string yaml, string message)
    {
        var faults = Check(Orders, yaml).Results.Where(r => r.Status == CheckStatus.Failed).Select(r => r.ToString()).ToList();
        if (message.Length == 0) Assert.Empty(faults);
        else Assert.Contains(message, Assert.Single(faults));
    }

    [Fact]
    public void A_warning_lets_the_data_in_and_is_told()
    {
        var report = Check(Orders, "severity: warn\ncolumns: { id: { max: 3 }, code: { nulls: 0, matches: \"[A-Z]{2}\", severity: fail } }");
        Assert.Equal(CheckStatus.Warned, Rule(report, "max").Status);
        Assert.Equal(CheckStatus.Failed, Rule(report, "matches").Status);
        Assert.Single(Assert.Throws<TaktException>(() => report.Require("t")).Faults);
    }

    [Fact]
    public void Freshness_and_gaps_are_measured_on_the_clock()
    {
        const string Csv = "at\n2001-01-01 00:00:00\n2001-01-01 01:00:00\n2001-01-01 09:00:00\n";
        var now = new CheckContext { Now = new DateTimeOffset(2001, 1, 2, 0, 0, 0, TimeSpan.Zero) };
        var report = Check(Csv, "columns: { at: { fresh: 12h, gap: 2h } }", now);
        Assert.Equal(CheckStatus.Failed, Rule(report, "fresh").Status);
        Assert.Contains("2001-01-01 09:00:00Z, 15h ago", Rule(report, "fresh").Message);
        Assert.Contains("the longest is 8h from 2001-01-01 01:00:00Z on", Rule(report, "gap").Message);
        Assert.Equal(0, Check(Csv, "columns: { at: { fresh: 16h, gap: 8h } }", now).Failed);
    }

    [Fact]
    public void Foreign_keys_and_leaks_are_found_against_the_files_of_another_version()
    {
        var other = Path.Combine(_folder, "other");
        Directory.CreateDirectory(other);
        File.WriteAllText(Path.Combine(other, "o.csv"), "key\n1\n2\n3\n");
        var context = new CheckContext { Files = new Dictionary<string, IReadOnlyList<string>> { ["o@main"] = [Path.Combine(other, "o.csv")] } };
        var report = Check(Orders, "columns: { id: { references: { dataset: o@main, column: key }, disjoint: { dataset: o@main, column: key } } }\nchecks: [ { key: [id], references: { dataset: o@main, column: key }, where: \"id < 4\" } ]", context);
        Assert.Equal((2, CheckStatus.Failed), (Rule(report, "references").Count, Rule(report, "references").Status));
        Assert.Equal((3, CheckStatus.Failed), (Rule(report, "disjoint").Count, Rule(report, "disjoint").Status));
        Assert.Equal(CheckStatus.Passed, Rule(report, "[id] references").Status);
    }

    [Fact]
    public void What_has_nothing_to_be_compared_with_is_skipped_and_says_so()
    {
        var report = Check(Orders, "rows: { change: 10% }\nsince-last: { new-columns: refuse }\ncolumns: { id: { drift: { psi: 0.1 } } }\nchecks: [ { anomaly: rows } ]");
        Assert.Equal(0, report.Failed);
        Assert.Equal(4, report.Skipped);
    }

    [Fact]
    public void New_dropped_and_changed_columns_are_named_each_with_its_own_reaction()
    {
        var previous = new TableProfile(4,
        [
            new ColumnProfile { Name = "id", Type = ColumnType.Text, Count = 4, Missing = 0, Distinct = 4 },
            new ColumnProfile { Name = "old", Type = ColumnType.Text, Count = 4, Missing = 0, Distinct = 4 },
        ]);
        var report = Check("id,new\n1,2\n", "rows: { change: 50% }\nsince-last: { new-columns: warn, dropped-columns: refuse, types: refuse }", new CheckContext { Previous = previous });
        Assert.Equal(CheckStatus.Warned, report.Results.Single(r => r.Column == "new").Status);
        Assert.Contains("gone", report.Results.Single(r => r.Column == "old").Message);
        Assert.Contains("it was text in the version before and is integer", report.Results.Single(r => r.Column == "id").Message);
        Assert.Contains("1 rows and the version before had 4", Rule(report, "rows.change").Message);
    }

    [Fact]
    public void An_anomaly_is_what_lies_far_from_the_versions_before()
    {
        var history = Enumerable.Range(0, 8).Select(i => new TableProfile(100 + i, [new ColumnProfile { Name = "x", Type = ColumnType.Integer, Count = 100, Missing = 0, Distinct = 5, Mean = 10 + (i % 3) }])).ToList();
        const string Yaml = "checks: [ { anomaly: rows, sigma: 4 }, { anomaly: x.mean } ]";
        string Csv(int rows, int x) => "x\n" + string.Concat(Enumerable.Repeat($"{x}\n", rows));
        var calm = Check(Csv(105, 11), Yaml, new CheckContext { History = history });
        Assert.Equal((0, 0), (calm.Failed, calm.Skipped));
        var odd = Check(Csv(200, 30), Yaml, new CheckContext { History = history });
        Assert.Equal(2, odd.Failed);
        Assert.Contains("it is 30", Rule(odd, "anomaly x.mean").Message);
    }

    /// <summary>The same numbers as for the golden values: a linear congruential generator, so that no file is needed.</summary>
    static double[] Uniform(int n, long seed)
    {
        var (x, values) = (seed, new double[n]);
        for (var i = 0; i < n; i++) values[i] = (x = ((1103515245 * x) + 12345) % 2147483648) / 2147483648.0;
        return values;
    }

    [Fact]
    public void Distances_and_statistics_agree_with_scipy_and_numpy()
    {
        // golden: scipy 1.10.1 ks_2samp, chi2_contingency(correction=False), spatial.distance.jensenshannon(base=2), pearsonr; numpy mean, std(ddof=1), quantile
        var a = Uniform(2000, 1).Select(u => Math.Round(u * 100, 3)).ToArray();
        var b = Uniform(1500, 7).Select(u => Math.Round((Math.Pow(u, 1.2) * 100) + 3, 3)).ToArray();
        var y = Uniform(1500, 99).Select((u, i) => Math.Round((b[i] * 0.5) + (u * 20), 3)).ToArray();
        string Category(int i, params int[] counts) => i < counts[0] ? "a" : i < counts[0] + counts[1] ? "b" : i < counts[0] + counts[1] + counts[2] ? "c" : "d";
        Tables.Write(new Table([Column.Of("x", a), Column.Of("c", a.Select((_, i) => i < 1000 ? (string?)Category(i, 500, 300, 150) : null).ToArray())]), Path.Combine(_folder, "a.parquet"));
        Tables.Write(new Table([Column.Of("x", b), Column.Of("y", y), Column.Of("c", b.Select((_, i) => i < 1000 ? (string?)Category(i, 410, 330, 190) : null).ToArray())]), Path.Combine(_folder, "b.parquet"));
        var expect = Read("""
            columns:
              x:
                mean: { min: 0 }
                std: { min: 0 }
                median: { min: 0 }
                quantiles: { 0.95: { min: 0 } }
                correlation: { y: { min: 0 } }
                drift: { against: a@main, ks: 0.04 }
              c: { drift: { against: a@main, psi: 1, js: 1, chi2-p: 0.001 } }
            """);
        var report = expect.Check([Path.Combine(_folder, "b.parquet")], new CheckContext
        {
            Files = new Dictionary<string, IReadOnlyList<string>> { ["a@main"] = [Path.Combine(_folder, "a.parquet")] },
            Profiles = new Dictionary<string, TableProfile> { ["a@main"] = Profiler.Profile([Path.Combine(_folder, "a.parquet")]) },
        });
        void Agrees(string rule, double golden, double tolerance = 1e-10) => Assert.True(Rule(report, rule).Observed is { } found && found / golden is var ratio && ratio > 1 - tolerance && ratio < 1 + tolerance, $"{Rule(report, rule)} not {golden}");
        Agrees("mean", 48.85306733333333);
        Agrees("std", 29.523207076358);
        Agrees("median", 46.571);
        Agrees("q0.95", 96.721);
        Agrees("corr y", 0.9332579392174348);
        Agrees("drift.ks", 0.043333333333333335);
        Agrees("drift.psi", 0.03672252428442801);
        Agrees("drift.js", 0.0814873626342339);
        Agrees("drift.chi2-p", 0.0003691370996784459, 1e-6);
        // scipy gives p = 0.0777 by the exact law; Stephens' limit is within a hundredth
        var p = double.Parse(Rule(report, "drift.ks").Message.Split("(p ")[1].TrimEnd(')'), CultureInfo.InvariantCulture);
        Assert.InRange(p, 0.0777 - 0.01, 0.0777 + 0.01);
        Assert.Equal(2, report.Failed);
    }

    [Fact]
    public void New_values_and_shifted_statistics_are_drift()
    {
        File.WriteAllText(Path.Combine(_folder, "before.csv"), "c,x\n" + string.Concat(Enumerable.Range(0, 100).Select(i => $"{(i % 2 == 0 ? "a" : "b")},{i}\n")));
        var context = new CheckContext { Profiles = new Dictionary<string, TableProfile> { ["previous"] = Profiler.Profile([Path.Combine(_folder, "before.csv")]) } };
        var report = Check("c,x\n" + string.Concat(Enumerable.Range(0, 100).Select(i => $"{(i < 3 ? "z" : "a")},{i * 2}\n")),
            "columns: { c: { drift: { new-values: 1% } }, x: { drift: { mean: 50%, std: 200%, nulls: 0 } } }", context);
        Assert.Equal(3, Rule(report, "drift.new-values").Count);
        Assert.Equal(3, Rule(report, "drift.new-values").Rows.Count);
        Assert.Contains("a change of 100 %", Rule(report, "drift.mean").Message);
        Assert.Equal(CheckStatus.Passed, Rule(report, "drift.std").Status);
        Assert.Equal(CheckStatus.Passed, Rule(report, "drift.nulls").Status);
    }

    [Theory]
    [InlineData("1=1) union all select id from read_csv('/etc/passwd') --")]
    [InlineData("id in (select 1)")]
    [InlineData("true); drop view data; select (1")]
    [InlineData("1) , (2")]
    [InlineData("")]
    public void A_filter_is_one_expression_and_can_be_nothing_else(string where) =>
        Assert.Throws<TaktException>(() => new Expectations { Columns = [new ColumnExpectation("id") { Max = "1", Where = where }] }.Check([Write("id\n1\n")]));

    [Theory]
    [InlineData("select * from read_csv('/etc/passwd')")]
    [InlineData("select * from read_text('/etc/passwd')")]
    [InlineData("select * from '/etc/passwd'")]
    [InlineData("select * from glob('/etc/*')")]
    [InlineData("copy data to '/tmp/x.csv'")]
    [InlineData("set memory_limit = '1TB'")]
    public void SQL_of_a_rule_reads_the_data_and_nothing_else(string sql)
    {
        var report = new Expectations { Table = [new TableExpectation { Sql = sql }] }.Check([Write("id\n1\n")]);
        Assert.StartsWith("it can't be checked", Rule(report, "sql").Message);
    }

    [Fact]
    public void A_comment_in_a_filter_swallows_nothing()
    {
        var report = new Expectations { Columns = [new ColumnExpectation("id") { Max = "1", Where = "id < 10 -- small" }] }.Check([Write("id\n1\n5\n50\n")]);
        Assert.Equal(1, Rule(report, "max").Count);
    }

    string Write(string csv)
    {
        File.WriteAllText(Path.Combine(_folder, "w.csv"), csv);
        return Path.Combine(_folder, "w.csv");
    }

    [Fact]
    public void Faults_of_a_file_of_expectations_have_their_place_and_a_suggestion()
    {
        var e = Assert.Throws<TaktException>(() => Read("""
            rows: { mim: 5 }
            columns:
              id: { uniqe: true, drift: { against: x@main } }
              x: { format: date, fresh: soon, nulls: 2 }
            checks:
              - { sql: select 1, key: [a] }
              - { anomaly: x.meen }
            """));
        Assert.Contains(e.Faults, f => f.StartsWith("expect.yaml:1:9: ", StringComparison.Ordinal) && f.Contains("did you mean 'min'"));
        Assert.Contains(e.Faults, f => f.StartsWith("expect.yaml:3:9: ", StringComparison.Ordinal) && f.Contains("did you mean 'unique'"));
        Assert.Contains(e.Faults, f => f.Contains("drift needs a distance"));
        Assert.Contains(e.Faults, f => f.Contains("expect.yaml:4:") && f.Contains("no format of a time"));
        Assert.Contains(e.Faults, f => f.Contains("'soon', not a duration"));
        Assert.Contains(e.Faults, f => f.Contains("this one has key and sql"));
        Assert.Contains(e.Faults, f => f.Contains("did you mean 'mean'"));
    }

    [Fact]
    public void Suggested_expectations_are_met_by_the_data_they_came_from_and_can_be_read_back()
    {
        File.WriteAllText(Path.Combine(_folder, "s.csv"), "id,kind,\"odd: name\",price,at\n" + string.Concat(Enumerable.Range(0, 500).Select(i => $"{i},{(i % 3 == 0 ? "yes" : "b:c")},{(i % 7 == 0 ? "" : "v")},{(i * 0.37).ToString(CultureInfo.InvariantCulture)},2001-01-{(i % 28) + 1:D2}\n")));
        var file = Path.Combine(_folder, "s.csv");
        var report = Read(SuggestedExpectations.Yaml(Profiler.Profile([file]))).Check([file]);
        Assert.Equal(0, report.Failed);
        Assert.True(report.Passed > 8);
        Assert.Contains(report.Results, r => r is { Column: "odd: name", Rule: "nulls 0.216" });
    }

    [Fact]
    public void All_columns_of_a_very_wide_table_are_checked()
    {
        var names = Enumerable.Range(0, 700).Select(i => $"c{i}").ToList();
        var csv = string.Join(',', names) + "\n" + string.Join(',', names.Select((_, i) => i)) + "\n";
        var report = new Expectations { Columns = names.Select(n => new ColumnExpectation(n) { Type = ColumnType.Integer, MaxNulls = 0, Max = "600" }).ToList() }.Check([Write(csv)]);
        Assert.Equal(99, report.Failed);
        Assert.Equal("c601", report.Results.First(r => r.Status == CheckStatus.Failed).Column);
    }
}
