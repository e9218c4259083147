using System.Globalization;
using System.Text.RegularExpressions;
using Takt.Data;

namespace Takt.Pipelines;

/// <summary>
/// <c>expect:</c> as written in the project file, or in a file of its own that it names: rules about rows, about columns (under <c>columns:</c>, or as
/// entries of <c>checks:</c> that name their column), and about the table (entries of <c>checks:</c>). docs/expectations.md has every key.
/// </summary>
public static class ExpectationReader
{
    static readonly string[] Severities = ["fail", "warn"];
    static readonly string[] Statistics = ["mean", "std", "sum", "median", "distinct"];
    static readonly string[] AnomalyStatistics = ["mean", "std", "min", "max", "median", "distinct", "nulls"];

    /// <summary>The file that holds them, relative to the project; null: they stand under <c>expect:</c> itself, or there are none.</summary>
    internal static string? FileOf(StepArguments with) => with.IsSection("expect") ? null : with.TextOrNull("expect");

    /// <summary>What stands under <c>expect:</c>; when that is a file, what it says.</summary>
    /// <param name="folder">The project's; null when the project file itself is being read: a file is not opened then.</param>
    /// <exception cref="TaktException">NotFound or Invalid: the file, with each fault at its line and column.</exception>
    internal static Expectations? Read(StepArguments with, string? folder)
    {
        if (with.IsSection("expect") && with.Section("expect") is { } section) return Section(section);
        return FileOf(with) is { } file && folder is not null ? ReadFile(Path.Combine(folder, file), file) : null;
    }

    /// <summary>What the project file expects of a dataset: the <c>expect:</c> of its entry under <c>data:</c>.</summary>
    /// <exception cref="TaktException">NotFound: there is no such entry, or it expects nothing.</exception>
    public static Expectations Of(Project project, string dataset)
    {
        var stage = project.Stages.FirstOrDefault(stage => stage is { Kind.Name: "collect", With: not null } && (stage.Name == $"data.{dataset}" || stage.With.TextOrNull("dataset") == dataset));
        if (stage is null) throw TaktException.NotFound($"{TaktFolder.ProjectFileName} has no entry '{dataset}' with a source under data:; name a file of expectations with --expect FILE");
        return Read(stage.With!, project.Folder.Root) ?? throw TaktException.NotFound($"data.{dataset} in {TaktFolder.ProjectFileName} expects nothing; 'takt data suggest {dataset}' writes a start");
    }

    /// <summary>A file of expectations: what would stand under <c>expect:</c>, or that under a key <c>expect</c>.</summary>
    /// <param name="shown">Its name in messages.</param>
    /// <exception cref="TaktException">NotFound: no such file. Invalid: its faults, each with line and column.</exception>
    public static Expectations ReadFile(string path, string shown)
    {
        if (!File.Exists(path)) throw TaktException.NotFound($"no file of expectations '{shown}'");
        var faults = new Faults(shown);
        var root = new YamlArguments(YamlFile.Read(path, shown), "", "", faults, Interpolation.None);
        var read = root.IsSection("expect") ? Section(root.Section("expect")!) : Section(root);
        root.ReportUnknown();
        faults.Throw();
        return read;
    }

    static Expectations Section(StepArguments expect)
    {
        var fallback = SeverityOf(expect, Severity.Fail);
        var rows = expect.Section("rows");
        var last = expect.Section("since-last");
        var columns = expect.Sections("columns").Select(column => Column(column, column.Name, fallback)).ToList();
        var tables = new List<TableExpectation>();
        foreach (var check in expect.Sections("checks"))
        {
            if (check.TextOrNull("column") is { Length: > 0 } name) columns.Add(Column(check, name, fallback));
            else if (Table(check, fallback) is { } table) tables.Add(table);
        }
        if (expect.NumberOrNull("duplicate-rows") is { } share) tables.Insert(0, new TableExpectation { DuplicateRows = Share(expect, "duplicate-rows", share), Severity = fallback });
        return new Expectations
        {
            MinRows = rows?.Integer("min", 1) ?? 1,
            MaxRows = rows is not null && rows.Has("max") ? rows.Integer("max", 0) : null,
            RowsChange = rows is null ? null : Percent(rows, "change"),
            RowsSeverity = rows is null ? fallback : SeverityOf(rows, fallback),
            ExtraColumns = expect.Choice("extra-columns", "allow", "refuse") == "allow",
            Absent = expect.Texts("absent"),
            Order = expect.Texts("order"),
            NewColumns = last is null ? null : Reaction(last, "new-columns"),
            DroppedColumns = last is null ? null : Reaction(last, "dropped-columns"),
            RetypedColumns = last is null ? null : Reaction(last, "types"),
            Columns = columns,
            Table = tables,
        };
    }

    static ColumnExpectation Column(StepArguments column, string name, Severity fallback)
    {
        ColumnType? type = column.Has("type") ? column.Choice("type", "text", "integer", "number", "boolean", "timestamp") switch
        {
            "integer" => ColumnType.Integer,
            "number" => ColumnType.Number,
            "boolean" => ColumnType.Boolean,
            "timestamp" => ColumnType.Time,
            _ => ColumnType.Text,
        } : null;
        var nulls = column.NumberOrNull("nulls");
        if (nulls is < 0 or > 1) column.Fault("nulls", "nulls is the largest share of missing values, 0 to 1");
        var length = column.Section("length");
        var json = column.IsSection("json") ? column.Section("json") : null;
        return new ColumnExpectation(name)
        {
            Type = type,
            Optional = column.Flag("optional", false),
            MaxNulls = nulls,
            MaxEmpty = Percent(column, "empty"),
            MaxNotFinite = Percent(column, "nan"),
            RequiredIf = column.TextOrNull("required-if"),
            Min = Bound(column, "min", type),
            Max = Bound(column, "max", type),
            Matches = Pattern(column),
            In = column.Texts("in"),
            NotIn = column.Texts("not-in"),
            MinLength = length is not null && length.Has("min") ? length.Integer("min", 0) : null,
            MaxLength = length is not null && length.Has("max") ? length.Integer("max", 0) : null,
            Format = Format(column),
            Json = json is not null ? json.Choice("is", "object", "array", "any") : column.Has("json") ? column.Choice("json", "any", "object", "array") : null,
            JsonKeys = json?.Texts("keys") ?? [],
            Order = column.Has("order") ? column.Choice("order", "increasing", "strictly-increasing", "decreasing", "strictly-decreasing") : null,
            Unique = column.Flag("unique", false),
            Allowed = Percent(column, "allow") ?? 0,
            Statistics = Bounds(column),
            Fresh = Time(column, "fresh"),
            MaxGap = Time(column, "gap"),
            References = Key(column, "references", 1),
            Disjoint = Key(column, "disjoint", 1),
            Drift = Drift(column),
            Where = column.TextOrNull("where"),
            Severity = SeverityOf(column, fallback),
            Label = column.TextOrNull("name"),
        };
    }

    static TableExpectation? Table(StepArguments check, Severity fallback)
    {
        string[] rules = ["key", "sql", "predicate", "anomaly", "rows-of", "duplicate-rows"];
        var key = check.Texts("key");
        var table = new TableExpectation
        {
            Key = key,
            DuplicateRows = check.NumberOrNull("duplicate-rows") is { } share ? Share(check, "duplicate-rows", share) : null,
            Sql = check.TextOrNull("sql"),
            Predicate = check.TextOrNull("predicate"),
            Anomaly = Metric(check),
            Versions = (int)check.Integer("versions", 20),
            Sigma = check.Number("sigma", 3),
            RowsOf = Reference(check, "rows-of"),
            Tolerance = Percent(check, "tolerance") ?? 0,
            References = Key(check, "references", key.Count),
            Disjoint = Key(check, "disjoint", key.Count),
            Where = check.TextOrNull("where"),
            Severity = SeverityOf(check, fallback),
            Label = check.TextOrNull("name"),
        };
        var set = rules.Where(check.Has).ToList();
        if (set.Count != 1)
        {
            check.Fault(set.Count > 1 ? set[1] : "", $"an entry of checks has a column, or one of {string.Join(", ", rules)}{(set.Count > 1 ? $"; this one has {string.Join(" and ", set)}" : "")}");
            return null;
        }
        if (table.Versions is < Outlier.Fewest or > 1000) check.Fault("versions", $"versions is {table.Versions}; {Outlier.Fewest} to 1000 can be looked at");
        if (!(table.Sigma > 0)) check.Fault("sigma", "sigma is how many standard deviations are far, above 0");
        return table;
    }

    static List<StatisticBound> Bounds(StepArguments column)
    {
        var found = new List<StatisticBound>();
        foreach (var statistic in Statistics)
            if (column.Section(statistic) is { } bound) Add(statistic, bound);
        foreach (var quantile in column.Sections("quantiles"))
        {
            if (double.TryParse(quantile.Name, NumberStyles.Float, CultureInfo.InvariantCulture, out var at) && at is >= 0 and <= 1) Add("q" + at.ToString("R", CultureInfo.InvariantCulture), quantile);
            else if (quantile.Name != "x") quantile.FaultAt(quantile.At, $"'{quantile.Name}' is no quantile; write 0.95: {{ max: 100 }}");
            else Add("q0.5", quantile);
        }
        foreach (var share in column.Sections("shares")) Add("share " + share.Name, share);
        foreach (var other in column.Sections("correlation")) Add("corr " + other.Name, other);
        return found;

        void Add(string statistic, StepArguments bound)
        {
            var (min, max) = (bound.NumberOrNull("min"), bound.NumberOrNull("max"));
            if (min is null && max is null) bound.FaultAt(bound.At, $"{statistic} needs min, max or both");
            found.Add(new StatisticBound(statistic, min, max));
        }
    }

    static DriftBound? Drift(StepArguments column)
    {
        if (column.Section("drift") is not { } drift) return null;
        var bound = new DriftBound
        {
            Against = Reference(drift, "against") ?? DriftBound.Previous,
            Psi = drift.NumberOrNull("psi"),
            Ks = drift.NumberOrNull("ks"),
            ChiSquareP = drift.NumberOrNull("chi2-p"),
            JensenShannon = drift.NumberOrNull("js"),
            NewValues = Percent(drift, "new-values"),
            Mean = Percent(drift, "mean", most: double.MaxValue),
            Std = Percent(drift, "std", most: double.MaxValue),
            Nulls = Percent(drift, "nulls"),
        };
        if (bound with { Against = DriftBound.Previous } == new DriftBound())
            drift.FaultAt(drift.At, "drift needs a distance: psi, ks, chi2-p, js, new-values, mean, std or nulls");
        return bound;
    }

    static KeyReference? Key(StepArguments at, string key, int columns)
    {
        if (at.Section(key) is not { } section) return null;
        var reference = new KeyReference(Reference(section, "dataset", required: true) ?? "", section.Texts("column"));
        if (reference.Columns.Count != Math.Max(1, columns)) section.Fault("column", $"column names {reference.Columns.Count} columns of {reference.Dataset}, and {Math.Max(1, columns)} are compared");
        return reference;
    }

    static string? Reference(StepArguments at, string key, bool required = false)
    {
        var text = required ? at.Text(key) : at.TextOrNull(key);
        if (string.IsNullOrEmpty(text) || text == DriftBound.Previous) return text;
        try
        {
            _ = DatasetReference.Parse(text);
        }
        catch (TaktException e)
        {
            at.Fault(key, e.Message);
        }
        return text;
    }

    static string? Metric(StepArguments check)
    {
        if (check.TextOrNull("anomaly") is not { } metric) return null;
        var dot = metric.LastIndexOf('.');
        if (metric != "rows" && (dot <= 0 || !AnomalyStatistics.Contains(metric[(dot + 1)..])))
            check.Fault("anomaly", $"'{metric}' is not rows or COLUMN.{string.Join(", COLUMN.", AnomalyStatistics)}{(dot > 0 ? Nearest.Hint(metric[(dot + 1)..], AnomalyStatistics) : "")}");
        return metric;
    }

    static string? Format(StepArguments column)
    {
        if (column.TextOrNull("format") is not { } format) return null;
        if (!format.Contains('%')) column.Fault("format", $"'{format}' is no format of a time; write %Y-%m-%d or %d.%m.%Y %H:%M");
        return format;
    }

    static TimeSpan? Time(StepArguments at, string key) => at.Has(key) ? at.Duration(key, TimeSpan.FromDays(1)) : null;

    static Severity SeverityOf(StepArguments at, Severity fallback) => !at.Has("severity") ? fallback : at.Choice("severity", Severities) == "warn" ? Severity.Warn : Severity.Fail;

    static Severity? Reaction(StepArguments at, string key) => at.Choice(key, "allow", "warn", "refuse") switch { "warn" => Severity.Warn, "refuse" => Severity.Fail, _ => null };

    /// <summary>A share such as 0.01 or 1%.</summary>
    static double? Percent(StepArguments at, string key, double most = 1)
    {
        if (at.TextOrNull(key) is not { } text) return null;
        var percent = text.EndsWith('%');
        if (double.TryParse(percent ? text[..^1] : text, NumberStyles.Float, CultureInfo.InvariantCulture, out var share) && (percent ? share / 100 : share) is >= 0 and var value && value <= most) return value;
        at.Fault(key, most > 1 ? $"{key} is '{text}', not a share such as 5% or 0.05" : $"{key} is '{text}', not a share such as 5% or 0.05, 0 to 1");
        return null;
    }

    static double Share(StepArguments at, string key, double share)
    {
        if (share is < 0 or > 1) at.Fault(key, $"{key} is the largest share of rows that repeat another, 0 to 1");
        return share;
    }

    static string? Bound(StepArguments column, string key, ColumnType? type)
    {
        if (!column.Has(key)) return null;
        if (type is ColumnType.Text or ColumnType.Boolean)
        {
            _ = column.TextOrNull(key);
            column.Fault(key, $"{key} is for integer, number and timestamp columns");
            return null;
        }
        if (type != ColumnType.Time) return column.NumberOrNull(key) is { } number ? number.ToString("R", CultureInfo.InvariantCulture) : null;
        var text = column.Text(key);
        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            column.Fault(key, $"'{text}' is not a time; write 2001-01-31 or 2001-01-31T12:00:00Z");
            return null;
        }
        return time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.FFFFFF", CultureInfo.InvariantCulture);
    }

    static string? Pattern(StepArguments column)
    {
        var pattern = column.TextOrNull("matches");
        if (pattern is null) return null;
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking); // like RE2, which runs it: no look-around, no back-references
            return pattern;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            column.Fault("matches", $"not a regular expression that can be used here: {e.Message}");
            return null;
        }
    }
}
