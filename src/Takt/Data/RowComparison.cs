using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Two sets of data files, row by row: one join for all counts and the keys of the rows to show, then those rows.</summary>
/// <param name="equal">Rows that are known to be equal and are in neither.</param>
sealed class RowComparison(RowSide before, RowSide now, DiffOptions options, string? inferred, long equal = 0)
{
    public (IReadOnlyList<ColumnChange> Columns, RowDiff? Rows) Run(CancellationToken cancel)
    {
        using var connection = DuckDb.Open(memory: options.Limits.Memory);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (options.Limits.Time is { } most) stop.CancelAfter(most);
        try
        {
            return DuckDb.Guard("diff", () => Run(connection, stop.Token));
        }
        catch (Exception e) when (e is (TaktException or OperationCanceledException) && cancel.IsCancellationRequested)
        {
            throw new TaktException(TaktError.Cancelled, "diff: cancelled", e);
        }
        catch (Exception e) when (e is (TaktException or OperationCanceledException) && stop.IsCancellationRequested)
        {
            throw new TaktException(TaktError.Unavailable, $"diff: it ran over its time limit of {options.Limits.Time!.Value.TotalSeconds:0.###} s; give it more, or leave the rows out", e);
        }
    }

    (IReadOnlyList<ColumnChange>, RowDiff?) Run(DuckDBConnection connection, CancellationToken stop)
    {
        var schemas = (A: before.Schema ?? Tables.Schema(connection, DuckDb.Scan(before.Any)), B: now.Schema ?? Tables.Schema(connection, DuckDb.Scan(now.Any)));
        var (typesA, typesB) = (schemas.A.ToDictionary(c => c.Name, c => c.Stored, StringComparer.Ordinal), schemas.B.ToDictionary(c => c.Name, c => c.Stored, StringComparer.Ordinal));
        var columns = schemas.A.Where(c => !typesB.TryGetValue(c.Name, out var other) || other != c.Stored).Select(c => new ColumnChange(c.Name, c.Stored, typesB.GetValueOrDefault(c.Name)))
            .Concat(schemas.B.Where(c => !typesA.ContainsKey(c.Name)).Select(c => new ColumnChange(c.Name, null, c.Stored))).ToList();
        if (!options.Rows) return (columns, null);
        var gone = options.Key.Where(name => !typesA.ContainsKey(name) || !typesB.ContainsKey(name)).ToList();
        if (gone.Count > 0) throw TaktException.Invalid($"no column '{string.Join("', '", gone)}' in both versions to be the key; there are: {string.Join(", ", typesA.Keys.Where(typesB.ContainsKey))}");
        var common = schemas.A.Where(c => typesB.ContainsKey(c.Name)).Select(c => (c.Name, Cast: typesB[c.Name] != c.Stored && !(IsNumber(c.Stored) && IsNumber(typesB[c.Name])))).ToList();
        if (common.Count == 0) return (columns, null);
        IReadOnlyList<string> key = options.Key.Count > 0 ? options.Key : inferred is not null && common.Any(c => c.Name == inferred) ? [inferred] : [];
        Open(connection, "a", before, schemas.A, stop);
        Open(connection, "b", now, schemas.B, stop);
        return (columns, key.Count > 0 ? ByKey(connection, key, common, stop) : Whole(connection, common, stop));
    }

    /// <summary>Parquet is read in place, only the columns that are asked for. Text is parsed once, into a table.</summary>
    void Open(DuckDBConnection connection, string name, RowSide files, IReadOnlyList<ColumnSchema> schema, CancellationToken stop)
    {
        if (files.Differing.Count == 0)
            Execute(connection, $"create temp view {name} as select {string.Join(", ", schema.Select(c => $"null::{c.Stored} as {DuckDb.Name(c.Name)}"))} where false", stop);
        else if (files.Differing.All(file => file.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase)))
            Execute(connection, $"create temp view {name} as select {string.Join(", ", schema.Select(c => DuckDb.Name(c.Name)))} from {Scan()}", stop);
        else
            Execute(connection, $"create temp table {name} as select {string.Join(", ", schema.Select(c => DuckDb.Name(c.Name)))} from {Scan()}", stop);

        // a column that only a file on both sides has is still one of the table
        string Scan()
        {
            if (files.Scan is not null) return files.Scan;
            var there = Tables.Schema(connection, DuckDb.Scan(files.Differing)).Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
            var absent = schema.Where(c => !there.Contains(c.Name)).Select(c => $"null::{c.Stored} as {DuckDb.Name(c.Name)}").ToList();
            return absent.Count == 0 ? DuckDb.Scan(files.Differing) : $"(select *, {string.Join(", ", absent)} from {DuckDb.Scan(files.Differing)})";
        }
    }

    RowDiff ByKey(DuckDBConnection connection, IReadOnlyList<string> key, IReadOnlyList<(string Name, bool Cast)> common, CancellationToken stop)
    {
        var values = common.Where(c => !key.Contains(c.Name)).ToList();
        var casts = common.ToDictionary(c => c.Name, c => c.Cast);
        var side = string.Join(", ", key.Select((name, i) => $"{Value(name, casts[name])} as k{i}").Concat(values.Select((c, i) => $"{Value(c.Name, c.Cast)} as c{i}")).Append("true as here"));
        var on = string.Join(" and ", key.Select((_, i) => $"a.k{i} = b.k{i}"));
        // both sides have the row: the join has filled the marker of each
        const string Added = "a.here is null", Removed = "b.here is null", Both = "a.here and b.here";
        string Differs(int i) => $"a.c{i} is distinct from b.c{i}";
        var changed = values.Count == 0 ? "false" : string.Join(" or ", values.Select((_, i) => Differs(i)));
        string Key(string table) => key.Count == 1 ? $"{table}.k0" : $"{{{string.Join(", ", key.Select((_, i) => $"k{i}: {table}.k{i}"))}}}";
        var shown = Math.Max(0, options.Samples);
        List<string> wanted =
        [
            $"count(*) filter ({Added})", $"count(*) filter ({Removed})", $"count(*) filter ({Both})", $"count(*) filter ({Both} and ({changed}))",
            $"count(*) filter ({Removed} and ({string.Join(" or ", key.Select((_, i) => $"a.k{i} is null"))}))", $"count(*) filter ({Added} and ({string.Join(" or ", key.Select((_, i) => $"b.k{i} is null"))}))",
            .. values.Select((_, i) => $"count(*) filter ({Both} and {Differs(i)})"),
        ];
        if (shown > 0)
            wanted.AddRange([$"to_json(min({Key("b")}, {shown}) filter ({Added}))::varchar", $"to_json(min({Key("a")}, {shown}) filter ({Removed}))::varchar", $"to_json(min({Key("a")}, {shown}) filter ({Both} and ({changed})))::varchar"]);
        // the least keys of each kind come out of the same pass; only their rows are read again
        var row = Row(connection, $"""
            with a as (select {side} from temp.a), b as (select {side} from temp.b)
            select {string.Join(", ", wanted)} from a full join b on {on}
            """, stop);
        var (added, removed, matched, differ) = (Long(row[0]), Long(row[1]), Long(row[2]), Long(row[3]));
        if (Long(row[4]) + Long(row[5]) is > 0 and var nulls)
            throw TaktException.Invalid($"{string.Join(", ", key)} can't be the key: {nulls:N0} rows have no value there; name others with --key, or leave it out to compare whole rows");
        if (options.Key.Count > 0)
        {
            var (rowsA, rowsB) = (Long(Row(connection, "select count(*) from temp.a", stop)[0]), Long(Row(connection, "select count(*) from temp.b", stop)[0]));
            if (removed + matched != rowsA || added + matched != rowsB) throw Repeated(connection, key, stop);
        }
        return new RowDiff(key, options.Key.Count == 0, added, removed, differ, matched - differ + equal,
            values.Select((c, i) => (c.Name, Count: Long(row[6 + i]))).Where(c => c.Count > 0).ToDictionary(c => c.Name, c => c.Count),
            shown == 0 ? [] : Samples(connection, key, values, casts, row[^3], row[^2], row[^1], stop));
    }

    TaktException Repeated(DuckDBConnection connection, IReadOnlyList<string> key, CancellationToken stop)
    {
        var list = string.Join(", ", key.Select(DuckDb.Name));
        foreach (var (table, which) in new[] { ("temp.a", "first"), ("temp.b", "second") })
        {
            var row = Row(connection, $"select coalesce(sum(n), 0), any_value(k) from (select count(*) as n, concat_ws(', ', {list}) as k from {table} group by {list} having count(*) > 1)", stop);
            if (Long(row[0]) > 0)
                return TaktException.Invalid($"{string.Join(", ", key)} is no key of the {which} version: {Long(row[0]):N0} rows share theirs with another, such as {row[1]}; name more columns with --key, or leave it out to compare whole rows");
        }
        return TaktException.Invalid($"{string.Join(", ", key)} is no key of both versions");
    }

    IReadOnlyList<RowChange> Samples(DuckDBConnection connection, IReadOnlyList<string> key, IReadOnlyList<(string Name, bool Cast)> values, Dictionary<string, bool> casts,
        object? added, object? removed, object? changed, CancellationToken stop)
    {
        var found = new List<RowChange>();
        foreach (var (kind, keys) in new[] { ("added", added), ("removed", removed), ("changed", changed) })
        {
            if (keys is not string json) continue;
            var tables = (Before: kind == "added" ? null : Picked("a", json), Now: kind == "removed" ? null : Picked("b", json));
            var rows = tables.Before?.Rows ?? tables.Now!.Rows;
            for (var i = 0; i < rows; i++)
                found.Add(kind == "changed" && tables.Now!.Rows == rows ? Changed(tables.Before!, tables.Now, i) : new RowChange(kind, Whole(tables.Before, i), Whole(tables.Now, i)));
        }
        return found;

        // the keys as they came out of the join: as JSON in, as the columns' own types compared
        Table Picked(string side, string json)
        {
            var names = string.Join(", ", key.Select(name => Value(name, casts[name])));
            var others = string.Join("", values.Select(c => ", " + DuckDb.Name(c.Name)));
            var wanted = key.Count == 1
                ? $"select (e->>'$')::{TypeOf(side, key[0], casts[key[0]])} from (select unnest(from_json({DuckDb.Text(json)}::json, '[\"JSON\"]')) as e)"
                : $"select {string.Join(", ", key.Select((name, i) => $"(e->>'k{i}')::{TypeOf(side, name, casts[name])}"))} from (select unnest(from_json({DuckDb.Text(json)}::json, '[\"JSON\"]')) as e)";
            return Tables.Query(connection, $"select {string.Join(", ", key.Select(DuckDb.Name))}{others} from temp.{side} where ({names}) in ({wanted}) order by {string.Join(", ", key.Select(DuckDb.Name))}", stop);
        }

        string TypeOf(string side, string name, bool cast) =>
            cast ? "varchar" : Tables.Schema(connection, $"temp.{side}").First(c => c.Name == name).Stored;

        RowChange Changed(Table a, Table b, int i)
        {
            var (was, is_) = (new Dictionary<string, string?>(), new Dictionary<string, string?>());
            foreach (var column in a.Columns)
            {
                var (x, y) = (column.TextAt(i), b[column.Name].TextAt(i));
                if (!key.Contains(column.Name) && x == y) continue;
                (was[column.Name], is_[column.Name]) = (x, y);
            }
            return new RowChange("changed", was, is_);
        }
    }

    RowDiff Whole(DuckDBConnection connection, IReadOnlyList<(string Name, bool Cast)> common, CancellationToken stop)
    {
        var list = string.Join(", ", common.Select(c => $"{Value(c.Name, c.Cast)} as {DuckDb.Name(c.Name)}"));
        // only what does not cancel out is kept
        Execute(connection, $"""
            create temp table d as select * from (
                select {string.Join(", ", common.Select(c => DuckDb.Name(c.Name)))}, sum(s) as "takt sum"
                from (select {list}, 1 as s from temp.b union all select {list}, -1 from temp.a) group by {string.Join(", ", common.Select(c => DuckDb.Name(c.Name)))})
            where "takt sum" <> 0
            """, stop);
        var row = Row(connection, "select coalesce(sum(\"takt sum\") filter (\"takt sum\" > 0), 0), coalesce(-sum(\"takt sum\") filter (\"takt sum\" < 0), 0), (select count(*) from temp.b) from d", stop);
        var samples = new List<RowChange>();
        if (options.Samples > 0)
            foreach (var (kind, sign) in new[] { ("added", ">"), ("removed", "<") })
            {
                var rows = Tables.Query(connection, $"select * exclude (\"takt sum\") from d where \"takt sum\" {sign} 0 limit {options.Samples}", stop);
                for (var i = 0; i < rows.Rows; i++) samples.Add(kind == "added" ? new RowChange(kind, null, Whole(rows, i)) : new RowChange(kind, Whole(rows, i), null));
            }
        return new RowDiff([], false, Long(row[0]), Long(row[1]), 0, Long(row[2]) - Long(row[0]) + equal, new Dictionary<string, long>(), samples);
    }

    static Dictionary<string, string?>? Whole(Table? table, int row) => table?.Columns.ToDictionary(column => column.Name, column => column.TextAt(row));

    static string Value(string name, bool cast) => cast ? $"{DuckDb.Name(name)}::varchar" : DuckDb.Name(name);

    static bool IsNumber(string stored) => ColumnSchema.Held(stored) is ColumnType.Integer or ColumnType.Number;

    static long Long(object? value) => ExpectationProbes.Long(value);

    static void Execute(DuckDBConnection connection, string sql, CancellationToken stop)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var interrupt = new QueryStop(connection, stop);
        command.ExecuteNonQuery();
    }

    static object?[] Row(DuckDBConnection connection, string sql, CancellationToken stop)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var interrupt = new QueryStop(connection, stop);
        using var reader = command.ExecuteReader();
        reader.Read();
        return Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i)).ToArray();
    }
}
