using System.Globalization;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>One check of some files: their columns first, file by file, then all values in one scan.</summary>
sealed class ExpectationCheck(Expectations expectations, IReadOnlyList<string> files)
{
    const int ShownRows = 5;
    const int ShownColumns = 8;
    const string FileColumn = "takt file";

    readonly List<Violation> _violations = [];
    readonly HashSet<string> _unfit = []; // columns whose values can't be checked: gone or of another type

    readonly HashSet<string> _valueless = []; // columns without a value in some file, whose type there is the reader's guess

    readonly HashSet<string> _present = [];

    sealed record Rule(ColumnExpectation Column, string Name, string Broken, string Message);

    public IReadOnlyList<Violation> Run()
    {
        using var connection = DuckDb.Open();
        return DuckDb.Guard(Tables.Named(files), () =>
        {
            CheckColumns(connection);
            CheckValues(connection);
            return _violations;
        });
    }

    void CheckColumns(DuckDBConnection connection)
    {
        // what is wrong with a column is said once, with all files it is wrong in
        var wrong = new Dictionary<(string Column, string Rule, string Message), List<string>>();
        foreach (var file in files)
        {
            var there = DuckDb.Guard(file, () => Tables.Schema(connection, DuckDb.Scan([file])));
            _present.UnionWith(there.Select(column => column.Name));
            foreach (var column in expectations.Columns)
            {
                var found = there.FirstOrDefault(c => c.Name == column.Name);
                if (found is null)
                    Note(column.Name, "present", $"the column is not there; there are {string.Join(", ", there.Select(c => c.Name))}", file);
                else if (column.Type is { } type && found.Type != type && !(type == ColumnType.Number && found.Type == ColumnType.Integer))
                {
                    if (IsAllNull(connection, file, column.Name)) _valueless.Add(column.Name);
                    else Note(column.Name, $"type {Word(type)}", $"it is {Word(found.Type)} ({found.Stored}){Examples(connection, file, found, type)}", file);
                }
            }
            if (!expectations.ExtraColumns)
                foreach (var extra in there.Where(c => expectations.Columns.All(column => column.Name != c.Name)))
                    Note(extra.Name, "extra-columns refuse", "the column is not expected; name it, remove it, or say extra-columns: allow", file);
        }
        foreach (var ((column, rule, message), where) in wrong)
            _violations.Add(new Violation(column, rule, $"{message}, in {Tables.Named(where)}", 0, []));

        void Note(string column, string rule, string message, string file)
        {
            _unfit.Add(column);
            if (!wrong.TryGetValue((column, rule, message), out var where)) wrong[(column, rule, message)] = where = [];
            where.Add(file);
        }
    }

    // a CSV column without any value is text to the reader
    static bool IsAllNull(DuckDBConnection connection, string file, string column) =>
        Count(connection, $"select count({DuckDb.Name(column)}) from {DuckDb.Scan([file])}")[0] == 0;

    static string Examples(DuckDBConnection connection, string file, ColumnSchema found, ColumnType wanted)
    {
        if (found.Type != ColumnType.Text) return "";
        var name = DuckDb.Name(found.Name);
        var type = Stored(wanted);
        var source = $"{DuckDb.Scan([file])} where {name} is not null and try_cast({name} as {type}) is null";
        var count = Count(connection, $"select count(*) from {source}")[0];
        if (count == 0) return "";
        var values = Tables.Query(connection, $"select {name}::varchar as v from {source} limit {ShownRows}");
        return $"; {count:N0} values can't be read as {Word(wanted)}: {string.Join(", ", Enumerable.Range(0, values.Rows).Select(row => Show(values["v"], row)))}";
    }

    void CheckValues(DuckDBConnection connection)
    {
        var rules = expectations.Columns.Where(column => !_unfit.Contains(column.Name)).SelectMany(Rules).ToList();
        var source = Source(rules.Select(rule => rule.Column.Name).Distinct().ToList());
        var counts = Count(connection, $"select {string.Join(", ", rules.Select(Counted).Prepend("count(*)"))} from {source}");
        CheckRows(counts[0]);
        for (var i = 0; i < rules.Count; i++)
        {
            var (rule, broken) = (rules[i], counts[i + 1]);
            if (broken == 0 || (rule.Name.StartsWith("nulls", StringComparison.Ordinal) && broken <= rule.Column.MaxNulls!.Value * counts[0])) continue;
            _violations.Add(new Violation(rule.Column.Name, rule.Name, $"{broken:N0} of {counts[0]:N0} rows {rule.Message}", broken, Rows(connection, rule)));
        }
    }

    static string Stored(ColumnType type) => type switch
    {
        ColumnType.Integer => "bigint",
        ColumnType.Number => "double",
        ColumnType.Boolean => "boolean",
        ColumnType.Time => "timestamp",
        _ => "varchar",
    };

    void CheckRows(long rows)
    {
        if (rows == 0 && expectations.MinRows > 0)
            _violations.Add(new Violation(null, "rows", "the table is empty", 0, []));
        else if (rows < expectations.MinRows)
            _violations.Add(new Violation(null, "rows", $"the table has {rows:N0} rows, fewer than rows.min {expectations.MinRows:N0}", 0, []));
        else if (rows > expectations.MaxRows)
            _violations.Add(new Violation(null, "rows", $"the table has {rows:N0} rows, more than rows.max {expectations.MaxRows:N0}", 0, []));
    }

    IEnumerable<Rule> Rules(ColumnExpectation column)
    {
        var name = DuckDb.Name(column.Name);
        if (_valueless.Contains(column.Name)) name = $"try_cast({name} as {Stored(column.Type!.Value)})";
        var missing = column.Type == ColumnType.Number ? $"({name} is null or isnan({name}::double))" : $"{name} is null";
        if (column.MaxNulls is { } nulls)
            yield return new(column, $"nulls {nulls.ToString(CultureInfo.InvariantCulture)}", missing, "have no value");
        if (column.Min is { } min) yield return new(column, $"min {min}", $"{name} < {Bound(column, min)}", "are below");
        if (column.Max is { } max) yield return new(column, $"max {max}", $"{name} > {Bound(column, max)} and not ({missing})", "are above");
        if (column.Matches is { } pattern)
            yield return new(column, $"matches {pattern}", $"not regexp_full_match({name}::varchar, {DuckDb.Text(pattern)})", "don't match");
        if (column.In.Count > 0)
            yield return new(column, $"in [{string.Join(", ", column.In)}]", $"{name}::varchar not in ({string.Join(", ", column.In.Select(DuckDb.Text))})", "have another value");
        if (column.Unique) yield return new(column, "unique", "", "repeat a value");
    }

    static string Counted(Rule rule)
    {
        var name = DuckDb.Name(rule.Column.Name);
        return rule.Name == "unique" ? $"count({name}) - count(distinct {name})" : $"count(*) filter ({rule.Broken})";
    }

    IReadOnlyList<string> Rows(DuckDBConnection connection, Rule rule)
    {
        var name = DuckDb.Name(rule.Column.Name);
        var rows = rule.Name == "unique"
            ? Tables.Query(connection, $"select * from {Source(null)} qualify row_number() over (partition by {name}) > 1 and {name} is not null limit {ShownRows}")
            : Tables.Query(connection, $"select * from {Source(null)} where {rule.Broken} limit {ShownRows}");
        // the broken column first, then its neighbours in the order of the file
        var shown = rows.Columns.Where(c => c.Name != FileColumn).OrderBy(c => c.Name != rule.Column.Name).Take(ShownColumns).ToList();
        return Enumerable.Range(0, rows.Rows).Select(row =>
            $"{rows[FileColumn].TextAt(row)} {{{string.Join(", ", shown.Select(column => $"{column.Name}: {Show(column, row)}"))}}}").ToList();
    }

    // only fit columns: one of another type in one file would stop the scan of all
    string Source(IReadOnlyList<string>? columns)
    {
        var unfit = _unfit.Intersect(_present).Select(DuckDb.Name).ToList();
        var wanted = columns is not null ? string.Join(", ", columns.Select(DuckDb.Name).Append("1 as one"))
            : unfit.Count == 0 ? "*" : $"* exclude ({string.Join(", ", unfit)})";
        return $"(select {wanted} from {DuckDb.Scan(files, FileColumn)})";
    }

    static string Bound(ColumnExpectation column, string value) =>
        column.Type == ColumnType.Time ? $"timestamp {DuckDb.Text(value)}" : column.Type == ColumnType.Text ? DuckDb.Text(value) : value;

    static long[] Count(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        reader.Read();
        return Enumerable.Range(0, reader.FieldCount).Select(i => Convert.ToInt64(reader.GetValue(i))).ToArray();
    }

    static string Show(Column column, int row) => column.TextAt(row) switch
    {
        null => "null",
        var text when column.Type != ColumnType.Text => text,
        { Length: > 40 } text => $"\"{text[..40]}…\"",
        var text => $"\"{text}\"",
    };

    static string Word(ColumnType type) => type == ColumnType.Time ? "timestamp" : type.ToString().ToLowerInvariant();
}
