using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Cli;

/// <summary>
/// The whole line for a table of one's own: <c>takt init --data FILE --target COLUMN</c> writes a <c>takt.yaml</c> that collects, checks, splits, trains, evaluates, gates, registers, deploys
/// and watches, and a request to ask the endpoint with.
/// </summary>
public static class OwnProject
{
    /// <summary>Of rows that are tested on: a fifth, the newest ones where the table tells times.</summary>
    const int TestEvery = 5;

    /// <summary>Fewer rows than this are too few to learn from and to test on.</summary>
    const int FewestRows = 20;

    /// <summary>A text with fewer different values is a category even where most rows have one of their own.</summary>
    const int FewestNames = 15;

    /// <summary>A text with more values is no target for <c>init</c>, which can't know which of them belong together.</summary>
    const int MostClasses = 50;

    /// <summary>Whole numbers of more different values are numbers.</summary>
    const int MostCodes = 10;

    const int ColumnsTold = 40;
    const string Table = "data"; // what the SQL calls it
    const string OrderLine = "order by all\n";

    /// <param name="File">As <c>takt.yaml</c> names it.</param>
    /// <param name="Task"><c>binary</c>, <c>multiclass</c> or <c>regression</c>.</param>
    /// <param name="Positive">What a binary model gives the probability of; else null.</param>
    /// <param name="Share">Of the positive rows; null where there is no <paramref name="Positive"/>.</param>
    /// <param name="Classes">Of a multiclass model, the most frequent first; else empty.</param>
    /// <param name="Left">Columns that are not learned from, and why.</param>
    /// <param name="Numbers">Columns of text that are read as numbers (<see cref="HiddenNumbers"/>).</param>
    public sealed record Made(string Name, string File, string Target, string Task, string? Positive, double? Share, long Rows, int Features, string? Time, IReadOnlyList<LeftOut> Left, IReadOnlyList<string> Numbers, IReadOnlyList<ValueCount> Classes);

    public sealed record LeftOut(string Column, string Why);

    /// <param name="folder">Gets the project; may not have one.</param>
    /// <param name="positive">The value of the target to tell from all others; null: of two values the one that means yes, else the rarer.</param>
    /// <param name="wanted">The task; null: by the target's values.</param>
    /// <param name="data">A table in a format that <see cref="DuckDb.CanRead"/>; copied to <c>incoming/</c> when it is elsewhere.</param>
    /// <exception cref="TaktException">NotFound: no such file or column. Invalid: no target, or one that can't be learned. Conflict: there is a project.</exception>
    public static Made Write(string folder, string data, string? target, string? positive = null, string? name = null, string? wanted = null)
    {
        var project = Path.Combine(folder, TaktFolder.ProjectFileName);
        if (File.Exists(project)) throw TaktException.Conflict($"{folder} has a {TaktFolder.ProjectFileName} already");
        var path = Path.GetFullPath(data, folder);
        if (Directory.Exists(path)) throw TaktException.Invalid($"{data} is a folder: name one of the tables in it");
        if (!File.Exists(path)) throw TaktException.NotFound($"no file '{data}' in {folder}");
        if (!DuckDb.CanRead(path)) throw TaktException.Invalid($"{data} is no table that Takt reads: CSV, Parquet, JSON or JSON lines");
        var profile = Profiler.Profile([path]);
        if (profile.Rows < FewestRows) throw TaktException.Invalid($"{data} has {profile.Rows} rows; {FewestRows} at least are needed to learn from and to test on");
        var columns = string.Join(", ", profile.Columns.Take(ColumnsTold).Select(c => c.Name)) + (profile.Columns.Count > ColumnsTold ? " …" : "");
        if (string.IsNullOrEmpty(target)) throw TaktException.Invalid($"say what is to be predicted with --target COLUMN; the columns of {data}: {columns}");
        if (profile.Find(target) is not { } column) throw TaktException.NotFound($"{data} has no column '{target}'{(Nearest.Hint(target, profile.Columns.Select(c => c.Name)) is { Length: > 0 } hint ? hint : $"; it has {columns}")}");
        var called = Name(name ?? Path.GetFileNameWithoutExtension(path.EndsWith(".gz", StringComparison.Ordinal) ? path[..^3] : path));
        var numbers = HiddenNumbers.Of(path, profile);
        var learned = Learn(column, data, positive, numbers.GetValueOrDefault(target), wanted);
        var (task, label, one, share) = (learned.Task, learned.Label, learned.Positive, learned.Share);
        var time = profile.Columns.FirstOrDefault(c => c is { Type: ColumnType.Time, Missing: 0, Distinct: > 10 } && c.Name != target)?.Name;
        var left = Left(profile, target, numbers);
        if (profile.Columns.Count - left.Count < 2 && time is null) throw TaktException.Invalid($"beside '{target}' there is no column to learn from");
        var select = Select(profile, target, label, one, time, left, numbers);
        var known = task == "binary" ? DuckDb.Name(target) : label;
        var (train, test) = (Split(select, known, time, test: false), Split(select, known, time, test: true));
        var (source, copy) = Inside(folder, path) is { } within ? (within, null) : ("incoming/*" + Path.GetExtension(path), Path.Combine(folder, "incoming", Path.GetFileName(path)));
        var request = Request(path, test, target, out var inputs);

        if (copy is not null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(path, copy, overwrite: true);
        }
        Directory.CreateDirectory(Path.Combine(folder, "sql"));
        Files.WriteAtomically(Path.Combine(folder, "sql", "train.sql"), train.Replace(OrderLine, Asked(inputs, target, task, column) + OrderLine, StringComparison.Ordinal));
        Files.WriteAtomically(Path.Combine(folder, "sql", "test.sql"), test);
        Files.WriteAtomically(Path.Combine(folder, "request.json"), request);
        // last: a folder is a project from here on, and then it is whole
        Files.WriteAtomically(project, Yaml(called, source, target, task, column));
        return new Made(called, source, target, task, one, share, profile.Rows, inputs.Count, time, left, [.. numbers.Keys.Where(n => n != target || task == "regression")], learned.Classes);
    }

    /// <summary>What the target is to a learner: SQL that makes a number of it, and which value is 1.</summary>
    /// <param name="number">SQL that makes a number of a text; null when it is none.</param>
    static Target Learn(ColumnProfile target, string data, string? positive, string? number, string? wanted)
    {
        if (wanted is not (null or "binary" or "multiclass" or "regression")) throw TaktException.Invalid($"--task is '{wanted}': binary, multiclass or regression");
        if (positive is not null && wanted is "multiclass" or "regression") throw TaktException.Invalid($"--positive names one of two classes; it does not go with --task {wanted}");
        var column = DuckDb.Name(target.Name);
        if (target.Distinct < 2) throw TaktException.Invalid($"'{target.Name}' in {data} is {(target.Distinct == 0 ? "never there" : "the same in every row")}: there is nothing to learn");
        var classes = target.Top.Where(v => target.Type != ColumnType.Text || !HiddenNumbers.IsNothing(v.Value)).OrderByDescending(v => v.Count).ToList();
        if (wanted == "multiclass" || (wanted is null && positive is null && target.Distinct > 2 && AreClasses(target, number, classes)))
        {
            if (!target.TopIsAll || classes.Count > MostClasses) throw TaktException.Invalid($"'{target.Name}' in {data} has {target.Distinct} different values; {MostClasses} classes at most are told apart. Put rare ones together, say --positive VALUE to tell one from the rest{(target.Type == ColumnType.Text && number is null ? "" : ", or --task regression to predict a number")}");
            if (classes.Count < 2) throw TaktException.Invalid($"'{target.Name}' in {data} has one class, {classes[0].Value}: there is nothing to learn");
            return new("multiclass", number ?? (classes.Count < target.Top.Count ? HiddenNumbers.OrNull(column) : column), null, null, classes);
        }
        if (wanted != "regression" && (positive is not null || (target.Distinct == 2 && target.TopIsAll)))
        {
            var one = positive is null ? Positive(target)
                : target.Top.FirstOrDefault(v => v.Value == positive) ?? throw TaktException.NotFound($"'{target.Name}' in {data} is never '{positive}'{Nearest.Hint(positive, target.Top.Select(v => v.Value))}; it is {Values(target)}");
            var label = target.Type == ColumnType.Text ? $"({column} = {DuckDb.Text(one.Value)})::integer" : target.Type == ColumnType.Boolean && one.Value == "true" ? $"{column}::integer" : $"({column} = {one.Value})::integer";
            return new("binary", label, one.Value, (double)one.Count / target.Count, []);
        }
        if (wanted == "binary") throw TaktException.Invalid($"'{target.Name}' in {data} has {target.Distinct} values ({Values(target)}): say with --positive VALUE which one to tell from the rest, or --task multiclass to tell all apart");
        if (number is not null) return new("regression", number, null, null, []);
        if (target.Type is ColumnType.Integer or ColumnType.Number or ColumnType.Boolean) return new("regression", $"{column}::double", null, null, []);
        throw TaktException.Invalid(target.Type == ColumnType.Time ? $"'{target.Name}' in {data} is a time: takt/train-tabular learns a number or a class"
            : wanted == "regression" ? $"'{target.Name}' in {data} is a text ({Values(target)}), no number: leave --task regression out to tell its values apart"
            : $"'{target.Name}' in {data} is a text with {target.Distinct} values ({Values(target)}): takt/train-tabular tells {MostClasses} classes apart at most. Put rare ones together, say --positive VALUE to tell one of them from the rest, or train with a command of your own (run: in takt.yaml)");
    }

    /// <summary>Texts are; whole numbers that count from 0 or 1 without a gap, and are few, are taken for codes.</summary>
    static bool AreClasses(ColumnProfile target, string? number, List<ValueCount> classes)
    {
        if (!target.TopIsAll || number is not null) return false;
        if (target.Type == ColumnType.Text) return classes.Count is > 1 and <= MostClasses;
        if (target.Type != ColumnType.Integer || target.Distinct > MostCodes) return false;
        var codes = classes.Select(c => long.Parse(c.Value, CultureInfo.InvariantCulture)).Order().ToList();
        return codes[0] is 0 or 1 && codes[^1] - codes[0] == codes.Count - 1;
    }

    /// <param name="Label">SQL of what is learned.</param>
    sealed record Target(string Task, string Label, string? Positive, double? Share, IReadOnlyList<ValueCount> Classes);

    /// <summary>The word says which is 1, else the rarer one, which is mostly what is looked for.</summary>
    static ValueCount Positive(ColumnProfile target) =>
        target.Top.FirstOrDefault(v => v.Value.ToLowerInvariant() is "1" or "1.0" or "true" or "yes" or "y" or "t") ?? target.Top.OrderBy(v => v.Count).ThenByDescending(v => v.Value, StringComparer.Ordinal).First();

    static string Values(ColumnProfile column) => string.Join(", ", column.Top.Take(6).Select(v => v.Value)) + (column.Top.Count > 6 ? " …" : "");

    /// <summary>What tells nothing of the next row: times (month and weekday stand in for the first), what is never there, and what only names the row.</summary>
    static List<LeftOut> Left(TableProfile profile, string target, IReadOnlyDictionary<string, string> numbers)
    {
        var left = new List<LeftOut>();
        foreach (var c in profile.Columns.Where(c => c.Name != target))
            if (c.Type == ColumnType.Time) left.Add(new(c.Name, "a time"));
            else if (c.Missing == profile.Rows) left.Add(new(c.Name, "always missing"));
            else if (c.Type == ColumnType.Text ? !numbers.ContainsKey(c.Name) && c.Distinct > FewestNames && c.Distinct > c.Count / 2
                : c is { Type: ColumnType.Integer, Missing: 0 } && c.Distinct == profile.Rows && (c.Name.EndsWith("id", StringComparison.OrdinalIgnoreCase) || c.Name.Length == 0)) left.Add(new(c.Name, "a value of its own in most rows"));
        return left;
    }

    /// <summary>All columns but those that are left out and the target; month and weekday of the time.</summary>
    static string Select(TableProfile profile, string target, string label, string? positive, string? time, List<LeftOut> left, IReadOnlyDictionary<string, string> numbers)
    {
        var sql = new StringBuilder($"select * exclude ({string.Join(", ", left.Select(l => l.Column).Append(target).Select(DuckDb.Name))})");
        var replaced = numbers.Where(n => n.Key != target).Select(n => $"{n.Value} as {DuckDb.Name(n.Key)}").ToList();
        if (replaced.Count > 0) sql.Append($"\n       replace ({string.Join(",\n                ", replaced)})");
        sql.Append(",\n");
        foreach (var (part, function) in time is null ? [] : new[] { ("month", "month"), ("weekday", "isodow") })
            if (profile.Find(part) is null) sql.Append($"       {function}({DuckDb.Name(time!)}) as {part},\n");
        return sql.Append($"       {label} as {DuckDb.Name(target)}{(positive is null ? "" : $"   -- 1: {OneLine(positive)}")}\n").ToString();
    }

    /// <param name="known">SQL that is null where the target is not known.</param>
    static string Split(string select, string known, string? time, bool test)
    {
        var about = time is null ? test ? "a fifth of the rows, the same ones each time; train.sql has the others" : "four fifths of the rows, the same ones each time; test.sql has the others"
            : test ? "the newest fifth of the rows: later than everything that train.sql takes" : "the older four fifths of the rows; test.sql has the newer ones";
        // names that no column of anybody's has
        var from = time is null ? $"from {Table} as whole_row_\nwhere md5_number_lower(whole_row_::text) % {TestEvery} {(test ? "=" : "<>")} 0"
            : $"from {Table}, (select quantile_disc({DuckDb.Name(time)}, {(1 - (1.0 / TestEvery)).ToString(CultureInfo.InvariantCulture)}) as cut_ from {Table})\nwhere {DuckDb.Name(time)} {(test ? ">" : "<=")} cut_";
        if (time is not null) select = select.Replace("* exclude (", "* exclude (cut_, ", StringComparison.Ordinal);
        return $"-- {about}\n{select}{from} and {known} is not null\n{OrderLine}";
    }

    /// <summary>For whoever lets the line learn from what its endpoint was asked: lines of train.sql that add those rows, commented out.</summary>
    static string Asked(List<string> inputs, string target, string task, ColumnProfile column)
    {
        // labels are numbers, or the names of classes
        var label = task switch { "binary" => "label::integer", "multiclass" when column.Type == ColumnType.Text => "label::varchar", "multiclass" => $"label::{(column.Type == ColumnType.Integer ? "bigint" : "double")}", _ => "label::double" };
        return $"-- what the endpoint was asked, with what came true (the entry …-asked of takt.yaml):\n-- union all by name select {string.Join(", ", inputs.Select(DuckDb.Name))}, {label} as {DuckDb.Name(target)} from asked\n";
    }

    /// <summary>One row of the test set as MLflow's scoring protocol takes it.</summary>
    static string Request(string path, string test, string target, out List<string> inputs)
    {
        using var connection = DuckDb.Open();
        DuckDb.Execute(connection, $"create view {Table} as select * from {DuckDb.Scan([path])}");
        var table = DuckDb.Guard(Path.GetFileName(path), () => Tables.Query(connection, $"select * from ({test}) limit 1"));
        var (names, row) = (new JsonArray(), new JsonArray());
        foreach (var column in table.Columns.Where(c => c.Name != target))
        {
            names.Add((JsonNode)column.Name);
            row.Add(table.Rows == 0 || column.IsMissing(0) ? null : column.Type switch
            {
                ColumnType.Number => column.Numbers[0],
                ColumnType.Integer => column.Integers[0],
                ColumnType.Boolean => column.Booleans[0],
                _ => column.TextAt(0),
            });
        }
        inputs = table.Columns.Select(c => c.Name).Where(c => c != target).ToList();
        return new JsonObject { ["dataframe_split"] = new JsonObject { ["columns"] = names, ["data"] = new JsonArray(row) } }.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) + "\n";
    }

    static string Yaml(string name, string source, string target, string task, ColumnProfile column)
    {
        var yaml = YamlText.Of(target);
        var (gates, performance) = task == "multiclass" ? ("accuracy > majority_share, macro_f1 >= champion.macro_f1 - 0.02", "{ metric: accuracy, label: LABEL, drop: 0.05 }")
            : task == "binary" ? ("auc >= 0.6, auc >= champion.auc - 0.01", "{ metric: log_loss, label: LABEL, drop: 0.05 }")
            : ("r2 >= 0.1, rmse <= champion.rmse * 1.02", $"{{ metric: rmse, label: LABEL, drop: {Drop(column)} }}");
        return $$"""
            takt: 1
            project: {{name}}
            data:
              {{name}}:
                source: {{YamlText.Of(source)}}      # more files that fit become new versions: a glob such as incoming/*.csv takes them all
                path: data/{{name}}/
                expect:                       # `takt data suggest {{name}}` proposes a rule for every column
                  rows: { min: {{FewestRows}} }
                  columns: { {{yaml}}: { nulls: {{(column.Missing == 0 ? "0" : "0.5")}} } }
              # a retraining learns from newer rows when there are some: more files above, or what the endpoint was asked with what came true (takt labels add {{name}} FILE).
              # For that, once it has labels, take the # away here and the -- in sql/train.sql, and let train-set read tables: { {{Table}}: data/{{name}}/, asked: data/{{name}}-asked/ }
              # {{name}}-asked:
              #   source: "predictions:{{name}}"
              #   late: 7d                    # labels come so late; these are read again
              #   path: data/{{name}}-asked/
            stages:
              train-set:
                uses: takt/sql@1
                with: { query: sql/train.sql, tables: { {{Table}}: data/{{name}}/ }, output: out/train.parquet }
              test-set:
                uses: takt/sql@1
                with: { query: sql/test.sql, tables: { {{Table}}: data/{{name}}/ }, output: out/test.parquet }
              train:
                uses: takt/train-tabular@1
                with: { data: out/train.parquet, target: {{yaml}}, task: {{task}}, trees: 200, leaves: 15, learning-rate: 0.05, output: out/model/ }
              evaluate:
                uses: takt/evaluate@1
                with: { model: out/model/, data: out/test.parquet, target: {{yaml}}, champion: {{name}}@champion, output: out/metrics.json }
              register:
                uses: takt/register@1
                with: { model: out/model/, name: {{name}}, alias: candidate, metrics: out/metrics.json }
                if: gates.quality.passed
            gates:
              quality:
                after: evaluate
                require: [{{gates}}]
            deploy:
              prod:
                model: {{name}}@candidate
                endpoint: {{name}}
                needs: [register]
                strategy: { canary: [10%, 50%, 100%], step: { requests: 25 }, abort-if: ["error_rate > 1%"] }
                then: { alias: champion }
                rollback: automatic
            monitor:
              {{name}}:
                drift: { threshold: 0.2, window: 1d, min-rows: 200 }
                performance: {{performance.Replace("LABEL", yaml, StringComparison.Ordinal)}}
            triggers:
              drift: { monitor: {{name}}, cooldown: 1d }     # an alert runs the pipeline again

            """;
    }

    /// <summary>A tenth of the target's spread, in its unit, to two digits.</summary>
    static string Drop(ColumnProfile column)
    {
        var tenth = (column.Std ?? 1) / 10;
        return tenth > 0 ? double.Parse(tenth.ToString("G2", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture) : "0.1";
    }

    /// <summary>A name for dataset, model and endpoint: lower-case letters, digits, - and _.</summary>
    static string Name(string text)
    {
        var name = new StringBuilder();
        foreach (var c in text.ToLowerInvariant())
            if (char.IsAsciiLetterOrDigit(c) || c == '_') name.Append(c);
            else if (name.Length == 0 || name[^1] != '-') name.Append('-');
        var trimmed = name.ToString().Trim('-', '_');
        if (trimmed.Length > 60) trimmed = trimmed[..60];
        return trimmed.Length == 0 ? "model" : char.IsAsciiLetter(trimmed[0]) ? trimmed : "m-" + trimmed;
    }

    /// <summary>The path as the project names it; null when the file is not within its folder.</summary>
    static string? Inside(string folder, string path)
    {
        var relative = Path.GetRelativePath(folder, path).Replace('\\', '/');
        return relative.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted(relative) || relative.StartsWith("data/", StringComparison.Ordinal) ? null : relative;
    }

    static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
