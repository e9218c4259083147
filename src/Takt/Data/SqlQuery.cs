using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>A user's query over files that were named beforehand. It can read those files and nothing else: no other file, no network, no setting.</summary>
public static class SqlQuery
{
    /// <summary>Runs one SELECT and writes its result as Parquet (zstd), atomically.</summary>
    /// <param name="name">The query's name for messages, such as its file.</param>
    /// <param name="tables">What the query calls a table → a data file or a folder of them.</param>
    /// <returns>How many rows.</returns>
    /// <exception cref="TaktException">NotFound: a file is not there. Invalid: the SQL is wrong, not a single SELECT, or reads something else. Cancelled.</exception>
    public static long ToParquet(string name, string sql, IReadOnlyDictionary<string, string> tables, string output, CancellationToken cancel = default) =>
        ToFile(name, sql, tables, output, null, cancel);

    /// <summary>Runs one SELECT and writes its result, atomically, by the file's ending: <c>.parquet</c> (zstd), <c>.csv</c>, <c>.jsonl</c>.</summary>
    /// <inheritdoc cref="ToParquet"/>
    public static long ToFile(string name, string sql, IReadOnlyDictionary<string, string> tables, string output, QueryLimits? limits = null, CancellationToken cancel = default)
    {
        output = Path.GetFullPath(output);
        var tmp = $"{output}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(Path.GetDirectoryName(output)!);
        return Run(name, sql, tables, [tmp], limits, cancel, (connection, stop) => Tables.WriteFile(connection, "select * from \"takt result\"", output, tmp, stop));
    }

    /// <summary>Runs one SELECT and returns its result, its first <paramref name="limit"/> rows.</summary>
    /// <inheritdoc cref="ToParquet"/>
    public static Table ToTable(string name, string sql, IReadOnlyDictionary<string, string> tables, int limit, QueryLimits? limits = null, CancellationToken cancel = default) =>
        Run(name, sql, tables, [], limits, cancel, (connection, stop) => Tables.Query(connection, $"select * from \"takt result\" limit {limit}", stop));

    static T Run<T>(string name, string sql, IReadOnlyDictionary<string, string> tables, IReadOnlyList<string> writable, QueryLimits? limits, CancellationToken cancel,
        Func<DuckDBConnection, CancellationToken, T> work)
    {
        using var connection = DuckDb.Open(memory: limits?.Memory ?? 0);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (limits?.Time is { } most) stop.CancelAfter(most);
        var allowed = new List<string>(writable);
        foreach (var (table, path) in tables)
        {
            var files = Tables.Expand([path]).Select(Path.GetFullPath).ToList();
            allowed.AddRange(files);
            DuckDb.Guard(files, () => { DuckDb.Execute(connection, $"create view {DuckDb.Name(table)} as select * from {DuckDb.Scan(files)}"); return true; });
        }
        DuckDb.Execute(connection, $"set allowed_paths = [{string.Join(", ", allowed.Distinct().Select(DuckDb.Text))}]; set enable_external_access = false; set lock_configuration = true");
        try
        {
            return DuckDb.Guard(name, () =>
            {
                RequireOneSelect(connection, name, sql);
                // the query comes last in its statement: a closing ; or comment of its own does no harm there
                DuckDb.Execute(connection, $"create temp view \"takt result\" as {sql}");
                return work(connection, stop.Token);
            });
        }
        catch (Exception e) when (e is (TaktException or OperationCanceledException) && cancel.IsCancellationRequested)
        {
            throw new TaktException(TaktError.Cancelled, $"{name}: cancelled", e);
        }
        catch (Exception e) when (e is (TaktException or OperationCanceledException) && stop.IsCancellationRequested)
        {
            throw new TaktException(TaktError.Unavailable, $"{name}: it ran over its time limit of {limits!.Time!.Value.TotalSeconds:0.###} s; give it more, or ask for less", e);
        }
        catch (TaktException e) when (e.Message.Contains("file system operations are disabled", StringComparison.Ordinal))
        {
            throw TaktException.Invalid($"{e.Message.Split(" - ")[0]}: the query reads a file that is not declared; a step names it under tables:, and 'takt data sql' reads datasets only (NAME, NAME@REF)");
        }
        finally
        {
            foreach (var path in writable) File.Delete(path);
        }
    }

    internal static void RequireOneSelect(DuckDBConnection connection, string name, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "select j->>'error', j->>'error_message', json_array_length(j->'statements'), j->>'error_type' from (select json_serialize_sql($1::varchar)::json as j)";
        command.Parameters.Add(new DuckDBParameter(sql));
        using var reader = command.ExecuteReader();
        reader.Read();
        if (reader.GetString(0) == "true")
        {
            var parser = reader.GetString(3) == "parser";
            throw TaktException.Invalid(parser ? $"{name}: {reader.GetString(1)}" : $"{name}: a query is one SELECT (or WITH … SELECT); nothing else runs here");
        }
        if (Convert.ToInt64(reader.GetValue(2)) != 1) throw TaktException.Invalid($"{name}: a query is one SELECT; this file has {reader.GetValue(2)} statements");
    }
}
