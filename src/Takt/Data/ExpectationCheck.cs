using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>One check of some files: their columns first, file by file, then all values in one scan, then what has to group, sort or join.</summary>
sealed class ExpectationCheck(Expectations expectations, IReadOnlyList<string> files, CheckContext context, CancellationToken cancel)
{
    /// <summary>What SQL calls the data.</summary>
    public const string Data = "data";

    const int ShownRows = 5;
    const int ShownColumns = 8;

    /// <summary>Of so many broken rules rows are shown: each takes a scan, and more would not be read.</summary>
    const int ShownRules = 25;

    const string FileColumn = "takt file";

    /// <summary>So many aggregates a scan: DuckDB plans in more than linear time, and only very wide tables need a second one.</summary>
    const int AggregatesAtOnce = 2000;

    readonly List<CheckResult> _results = [];
    readonly HashSet<string> _unfit = []; // columns whose values can't be checked: gone or of another type

    readonly HashSet<string> _valueless = []; // columns without a value in some file, whose type there is the reader's guess

    readonly Dictionary<string, ColumnSchema> _present = new(StringComparer.Ordinal);

    long _rows;

    IReadOnlyList<TableKind>? _kinds;

    public CheckReport Run()
    {
        using var connection = DuckDb.Open();
        using var interrupt = new QueryStop(connection, cancel);
        return DuckDb.Guard(files, () =>
        {
            CheckColumns(connection);
            OpenData(connection);
            CheckValues(connection);
            return new CheckReport(_rows, _results) { Kinds = _kinds };
        });
    }

    void CheckColumns(DuckDBConnection connection)
    {
        // what is wrong with a column is said once, with all files it is wrong in
        var wrong = new Dictionary<(string Column, string Rule, string Message, Severity Severity), List<string>>();
        var looked = expectations.Columns.GroupBy(column => column.Name, StringComparer.Ordinal).Select(group => (group.Key, group.First(), group.Any(c => !c.Optional))).ToList();
        var named = looked.Select(column => column.Key).ToHashSet(StringComparer.Ordinal);
        var first = true;
        IReadOnlyList<string> order = [];
        var shapes = new List<(string, IReadOnlyList<string>)>();
        foreach (var file in files)
        {
            cancel.ThrowIfCancellationRequested();
            var there = DuckDb.Guard(file, () => Tables.Schema(connection, DuckDb.Scan([file])));
            var byName = there.ToDictionary(column => column.Name, StringComparer.Ordinal);
            shapes.Add((file, there.Select(c => c.Name).ToList()));
            if (first) (order, first) = (there.Select(c => c.Name).ToList(), false);
            foreach (var column in there) _present.TryAdd(column.Name, column);
            foreach (var (name, column, required) in looked)
            {
                if (!byName.TryGetValue(name, out var found))
                {
                    if (required) Note(name, "present", $"the column is not there; there are {Listed(there.Select(c => c.Name))}", file, column.Severity);
                    continue;
                }
                if (column.Type is not { } type || found.Type == type || (type == ColumnType.Number && found.Type == ColumnType.Integer)) continue;
                if (IsAllNull(connection, file, name)) _valueless.Add(name);
                else Note(name, $"type {Word(type)}", $"it is {Word(found.Type)} ({found.Stored}){Examples(connection, file, found, type)}", file, column.Severity);
            }
            if (!expectations.ExtraColumns)
                foreach (var extra in there.Where(c => !named.Contains(c.Name)))
                    Note(extra.Name, "extra-columns refuse", "the column is not expected; name it, remove it, or say extra-columns: allow", file, Severity.Fail);
            foreach (var absent in expectations.Absent.Where(byName.ContainsKey)) Note(absent, "absent", "the column is there", file, Severity.Fail);
        }
        foreach (var ((column, rule, message, severity), where) in wrong) Add(column, rule, severity, $"{message}, in {Tables.Named(where)}");
        foreach (var column in looked.Select(l => l.Key).Where(name => wrong.Keys.All(w => w.Column != name))) _results.Add(new(column, "present", CheckStatus.Passed, "it is there", 0, []));
        foreach (var absent in expectations.Absent.Where(name => !_present.ContainsKey(name))) _results.Add(new(absent, "absent", CheckStatus.Passed, "it is not there", 0, []));
        _kinds = TableKind.Of(shapes);
        CheckOrder(order);
        CheckPrevious();

        void Note(string column, string rule, string message, string file, Severity severity)
        {
            _unfit.Add(column);
            if (!wrong.TryGetValue((column, rule, message, severity), out var where)) wrong[(column, rule, message, severity)] = where = [];
            where.Add(file);
        }
    }

    void CheckOrder(IReadOnlyList<string> order)
    {
        if (expectations.Order.Count == 0) return;
        var there = order.Where(expectations.Order.Contains).ToList();
        var rule = $"order [{Listed(expectations.Order)}]";
        if (there.SequenceEqual(expectations.Order)) _results.Add(new(null, rule, CheckStatus.Passed, "the columns stand in this order", 0, []));
        else Add(null, rule, Severity.Fail, $"the columns stand in the order {Listed(there)}");
    }

    void CheckPrevious()
    {
        if (expectations is { NewColumns: null, DroppedColumns: null, RetypedColumns: null }) return;
        if (context.Previous is not { } previous)
        {
            _results.Add(new(null, "since-last", CheckStatus.Skipped, "there is no version before", 0, []));
            return;
        }
        var broken = _results.Count;
        var before = previous.Columns.ToDictionary(c => c.Name, StringComparer.Ordinal);
        if (expectations.NewColumns is { } added)
            foreach (var column in _present.Keys.Where(name => !before.ContainsKey(name))) Add(column, "since-last new-columns", added, "the version before did not have this column");
        if (expectations.DroppedColumns is { } dropped)
            foreach (var column in before.Keys.Where(name => !_present.ContainsKey(name))) Add(column, "since-last dropped-columns", dropped, "the version before had this column, and it is gone");
        if (expectations.RetypedColumns is { } retyped)
            foreach (var (name, column) in _present)
                if (before.TryGetValue(name, out var old) && old.Type != column.Type && old.Count > 0)
                    Add(name, "since-last types", retyped, $"it was {Word(old.Type)} in the version before and is {Word(column.Type)}");
        if (_results.Count == broken) _results.Add(new(null, "since-last", CheckStatus.Passed, "the columns are those of the version before", 0, []));
    }

    // views first, then the door is shut: SQL of a user's reads these files and nothing else, and changes no setting
    void OpenData(DuckDBConnection connection)
    {
        var allowed = new List<string>(files);
        var unfit = _unfit.Where(_present.ContainsKey).Select(DuckDb.Name).ToList();
        // only fit columns: one of another type in one file would stop the scan of all
        View(Data, $"select * {(unfit.Count == 0 ? "" : $"exclude ({string.Join(", ", unfit)})")} from {DuckDb.Scan(files, FileColumn)}");
        if (context.Dataset is { } name && name != Data) View(name, $"select * exclude ({DuckDb.Name(FileColumn)}) from {Data}");
        foreach (var (reference, there) in context.Files)
        {
            allowed.AddRange(there);
            View(reference, $"select * from {DuckDb.Scan(there)}");
        }
        DuckDb.Execute(connection, $"set allowed_paths = [{string.Join(", ", allowed.Distinct().Select(DuckDb.Text))}]; set enable_external_access = false; set lock_configuration = true");

        void View(string view, string sql) => DuckDb.Execute(connection, $"create or replace temp view {DuckDb.Name(view)} as {sql}");
    }

    void CheckValues(DuckDBConnection connection)
    {
        var probes = new ExpectationProbes(connection, expectations, context, _present, _unfit, _valueless).All();
        var values = Scan(connection, probes);
        _rows = Convert.ToInt64(values[0][0]);
        CheckRows(_rows);
        var shown = 0;
        for (var i = 0; i < probes.Count; i++)
        {
            var probe = probes[i];
            cancel.ThrowIfCancellationRequested();
            ExpectationProbe.Verdict verdict;
            try
            {
                verdict = probe.Own is { } own ? own(connection) : probe.Judge!([_rows, .. values[i + 1]]);
            }
            catch (Exception e) when (e is DuckDBException or TaktException && !cancel.IsCancellationRequested)
            {
                // a query that can't run is a broken expectation of its own, and no reason to keep silent about the others
                verdict = new(CheckStatus.Failed, $"it can't be checked: {DuckDb.OneLine(e.Message)}");
            }
            var status = verdict.Status == CheckStatus.Failed && probe.Severity == Severity.Warn ? CheckStatus.Warned : verdict.Status;
            _results.Add(new CheckResult(probe.Column, probe.Rule, status, verdict.Message, verdict.Count,
                status is CheckStatus.Failed or CheckStatus.Warned && verdict.Rows is { } rows && shown++ < ShownRules ? Rows(connection, rows, probe.Column) : [])
            {
                Where = probe.Where,
                Observed = verdict.Observed,
                Name = probe.Name,
            });
        }
    }

    /// <summary>The number of rows, and each probe's aggregates: one scan for all of them.</summary>
    List<object?[]> Scan(DuckDBConnection connection, List<ExpectationProbe> probes)
    {
        var all = probes.SelectMany(probe => probe.Aggregates).ToList();
        var found = new List<object?>(all.Count + 1);
        for (var from = 0; from == 0 || from < all.Count; from += AggregatesAtOnce)
        {
            var part = all.Skip(from).Take(AggregatesAtOnce);
            var row = ExpectationProbes.Row(connection, $"select {string.Join(", ", from == 0 ? part.Prepend("count(*)") : part)} from {Data}");
            found.AddRange(row);
        }
        var values = new List<object?[]> { new[] { found[0] } };
        var at = 1;
        foreach (var probe in probes)
        {
            values.Add(found.Skip(at).Take(probe.Aggregates.Count).ToArray());
            at += probe.Aggregates.Count;
        }
        return values;
    }

    void CheckRows(long rows)
    {
        var found = _results.Count;
        if (rows == 0 && expectations.MinRows > 0) Add(null, "rows", expectations.RowsSeverity, "the table is empty");
        else if (rows < expectations.MinRows) Add(null, "rows", expectations.RowsSeverity, $"the table has {rows:N0} rows, fewer than rows.min {expectations.MinRows:N0}");
        else if (rows > expectations.MaxRows) Add(null, "rows", expectations.RowsSeverity, $"the table has {rows:N0} rows, more than rows.max {expectations.MaxRows:N0}");
        if (expectations.RowsChange is { } most)
        {
            if (context.Previous is not { } previous)
                _results.Add(new(null, "rows.change", CheckStatus.Skipped, "there is no version before", 0, []));
            else if (Math.Abs(rows - previous.Rows) > most * Math.Max(1, previous.Rows))
                Add(null, "rows.change", expectations.RowsSeverity, $"the table has {rows:N0} rows and the version before had {previous.Rows:N0}, a change of more than {Share(most)}");
        }
        if (_results.Count == found) _results.Add(new(null, "rows", CheckStatus.Passed, $"{rows:N0} rows", 0, []) { Observed = rows });
    }

    void Add(string? column, string rule, Severity severity, string message) =>
        _results.Add(new(column, rule, severity == Severity.Warn ? CheckStatus.Warned : CheckStatus.Failed, message, 0, []));

    // a CSV column without any value is text to the reader
    static bool IsAllNull(DuckDBConnection connection, string file, string column) =>
        Count(connection, $"select count({DuckDb.Name(column)}) from {DuckDb.Scan([file])}") == 0;

    static string Examples(DuckDBConnection connection, string file, ColumnSchema found, ColumnType wanted)
    {
        if (found.Type != ColumnType.Text) return "";
        var name = DuckDb.Name(found.Name);
        var source = $"{DuckDb.Scan([file])} where {name} is not null and try_cast({name} as {ExpectationProbes.Stored(wanted)}) is null";
        var count = Count(connection, $"select count(*) from {source}");
        if (count == 0) return "";
        var values = Tables.Query(connection, $"select {name}::varchar as v from {source} limit {ShownRows}");
        return $"; {count:N0} values can't be read as {Word(wanted)}: {string.Join(", ", Enumerable.Range(0, values.Rows).Select(row => Show(values["v"], row)))}";
    }

    IReadOnlyList<string> Rows(DuckDBConnection connection, string sql, string? column)
    {
        var rows = Tables.Query(connection, $"select * from ({sql}) limit {ShownRows}");
        // the broken column first, then its neighbours in the order of the file
        var shown = rows.Columns.Where(c => c.Name != FileColumn).OrderBy(c => c.Name != column).Take(ShownColumns).ToList();
        return Enumerable.Range(0, rows.Rows).Select(row =>
            $"{(rows.Find(FileColumn) is { } file ? file.TextAt(row) + " " : "")}{{{string.Join(", ", shown.Select(c => $"{c.Name}: {Show(c, row)}"))}}}").ToList();
    }

    static long Count(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar());
    }

    static string Listed(IEnumerable<string> names)
    {
        var all = names.ToList();
        return all.Count <= 50 ? string.Join(", ", all) : $"{string.Join(", ", all.Take(50))} and {all.Count - 50} more";
    }

    internal static string Share(double share) => (share * 100).ToString("0.####", System.Globalization.CultureInfo.InvariantCulture) + " %";

    static string Show(Column column, int row) => column.TextAt(row) switch
    {
        null => "null",
        var text when column.Type != ColumnType.Text => text,
        { Length: > 40 } text => $"\"{text[..40]}…\"",
        var text => $"\"{text}\"",
    };

    internal static string Word(ColumnType type) => type == ColumnType.Time ? "timestamp" : type.ToString().ToLowerInvariant();
}
