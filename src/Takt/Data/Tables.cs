using System.Data;
using DuckDB.NET.Data;
using Takt.Storage;

namespace Takt.Data;

/// <summary>Data files to tables in memory and back.</summary>
public static class Tables
{
    /// <summary>Reads files (CSV, Parquet, JSON lines, by ending) as one table, in the order given; a folder stands for all data files below it, by path.</summary>
    /// <param name="columns">Those wanted, in this order; null: all.</param>
    /// <exception cref="TaktException">NotFound: a path is not there. Invalid: a file can't be read, or a column is not there.</exception>
    public static Table Read(IEnumerable<string> files, IReadOnlyList<string>? columns = null)
    {
        var all = Expand(files);
        using var connection = DuckDb.Open();
        return DuckDb.Guard(all, () =>
        {
            var source = DuckDb.Scan(all);
            if (columns is not null) RequireColumns(connection, source, columns, Named(all));
            return Query(connection, $"select {(columns is null ? "*" : string.Join(", ", columns.Select(DuckDb.Name)))} from {source}");
        });
    }

    /// <inheritdoc cref="Read(IEnumerable{string}, IReadOnlyList{string}?)"/>
    public static Table Read(string file, IReadOnlyList<string>? columns = null) => Read([file], columns);

    /// <summary>Runs a query and holds its result: integers as Integer, floats and decimals as Number, dates and times as Time, the rest as Text.</summary>
    /// <exception cref="DuckDBException">The SQL is wrong; see <see cref="DuckDb.Guard"/>.</exception>
    public static Table Query(DuckDBConnection connection, string sql, CancellationToken cancel = default)
    {
        var schema = Schema(connection, $"({sql})");
        var select = string.Join(", ", schema.Select(column => $"{Canonical(column)} as {DuckDb.Name(column.Name)}"));
        using var command = connection.CreateCommand();
        command.CommandText = $"select {select} from ({sql})";
        command.UseStreamingMode = true;
        using var interrupt = new QueryStop(connection, cancel);
        using var reader = command.ExecuteReader();
        var builders = schema.Select(column => new ColumnBuilder(column.Name, column.Type)).ToArray();
        while (reader.Read())
            for (var i = 0; i < builders.Length; i++)
                builders[i].Append(reader, i);
        return new Table(builders.Select(builder => builder.Build()).ToList());
    }

    /// <summary>The columns of a scan or a table: name, how a <see cref="Table"/> holds it, and DuckDB's own type.</summary>
    public static IReadOnlyList<ColumnSchema> Schema(DuckDBConnection connection, string source)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"describe select * from {source}";
        using var reader = command.ExecuteReader();
        var columns = new List<ColumnSchema>();
        while (reader.Read())
            columns.Add(new ColumnSchema(reader.GetString(0), ColumnSchema.Held(reader.GetString(1)), reader.GetString(1)));
        return columns;
    }

    /// <summary>Makes a DuckDB table of the same columns and rows; Time becomes TIMESTAMP.</summary>
    public static void Load(DuckDBConnection connection, string name, Table table)
    {
        var raw = name + " raw";
        DuckDb.Execute(connection, $"create temp table {DuckDb.Name(raw)}({string.Join(", ", table.Columns.Select(c => $"{DuckDb.Name(c.Name)} {Stored(c.Type)}"))})");
        using (var appender = connection.CreateAppender("temp", "main", raw))
        {
            for (var row = 0; row < table.Rows; row++)
            {
                var target = appender.CreateRow();
                foreach (var column in table.Columns) Append(target, column, row);
                target.EndRow();
            }
        }
        var select = table.Columns.Select(c => c.Type == ColumnType.Time ? $"make_timestamp({DuckDb.Name(c.Name)}) as {DuckDb.Name(c.Name)}" : DuckDb.Name(c.Name));
        DuckDb.Execute(connection, $"create temp view {DuckDb.Name(name)} as select {string.Join(", ", select)} from {DuckDb.Name(raw)}");
    }

    /// <summary>Writes a Parquet file (zstd), atomically; equal tables give equal bytes.</summary>
    /// <param name="groupRows">Of a row group, about; 0: DuckDB's 122,880.</param>
    /// <exception cref="TaktException">Unavailable: the disk is full.</exception>
    public static void Write(Table table, string path, int groupRows = 0)
    {
        using var connection = DuckDb.Open(threads: 1);
        Load(connection, "t", table);
        DuckDb.Guard(path, () => WriteParquet(connection, "select * from t", path, groupRows: groupRows));
    }

    /// <summary>The result of a query as a Parquet file (zstd), atomically: the file is whole or not there.</summary>
    /// <returns>How many rows.</returns>
    /// <param name="tmp">The file to write first, beside <paramref name="path"/>; null: a name is made.</param>
    /// <param name="groupRows">Of a row group, about; 0: DuckDB's 122,880.</param>
    public static long WriteParquet(DuckDBConnection connection, string sql, string path, string? tmp = null, CancellationToken cancel = default, int groupRows = 0) =>
        WriteAs("format parquet, compression zstd" + (groupRows > 0 ? $", row_group_size {groupRows}" : ""), connection, sql, path, tmp, cancel);

    /// <summary>The result of a query as a file, atomically, by its ending: <c>.parquet</c>, <c>.csv</c> or <c>.jsonl</c>.</summary>
    /// <exception cref="TaktException">Invalid: another ending.</exception>
    /// <inheritdoc cref="WriteParquet"/>
    public static long WriteFile(DuckDBConnection connection, string sql, string path, string? tmp = null, CancellationToken cancel = default) => WriteAs(Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".parquet" => "format parquet, compression zstd",
        ".csv" => "format csv, header",
        ".jsonl" or ".ndjson" => "format json",
        _ => throw TaktException.Invalid($"'{path}' must end with .parquet, .csv or .jsonl"),
    }, connection, sql, path, tmp, cancel);

    static long WriteAs(string options, DuckDBConnection connection, string sql, string path, string? tmp, CancellationToken cancel)
    {
        path = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        tmp ??= $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using var command = connection.CreateCommand();
            command.CommandText = $"copy ({sql}) to {DuckDb.Text(tmp)} ({options}, use_tmp_file false)";
            using var interrupt = new QueryStop(connection, cancel);
            var rows = Convert.ToInt64(command.ExecuteNonQuery());
            Files.Publish(tmp, path);
            return rows;
        }
        finally
        {
            File.Delete(tmp);
        }
    }

    /// <summary>The files a list stands for: folders opened (data files below them, by path; names that begin with a dot are left out).</summary>
    /// <exception cref="TaktException">NotFound: a path is not there, or a folder holds no data file.</exception>
    public static IReadOnlyList<string> Expand(IEnumerable<string> paths)
    {
        var files = new List<string>();
        foreach (var path in paths)
        {
            if (File.Exists(path)) { files.Add(path); continue; }
            if (!Directory.Exists(path)) throw TaktException.NotFound($"no file or folder '{path}'");
            var inside = Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
                .Where(file => DuckDb.CanRead(file) && !Path.GetFileName(file).StartsWith('.')).Order(StringComparer.Ordinal).ToList();
            if (inside.Count == 0) throw TaktException.NotFound($"the folder '{path}' holds no data file (.parquet, .csv, .tsv, .jsonl, .json)");
            files.AddRange(inside);
        }
        return files;
    }

    /// <summary>One file by its path, several as "PATH and N more", for messages.</summary>
    internal static string Named(IReadOnlyList<string> files) => files.Count == 1 ? files[0] : $"{files[0]} and {files.Count - 1} more";

    static void RequireColumns(DuckDBConnection connection, string source, IReadOnlyList<string> columns, string named)
    {
        var there = Schema(connection, source).Select(column => column.Name).ToList();
        var gone = columns.Except(there, StringComparer.Ordinal).ToList();
        if (gone.Count > 0) throw TaktException.Invalid($"{named}: no column '{string.Join("', '", gone)}'; there are: {string.Join(", ", there)}");
    }

    internal static string Canonical(ColumnSchema column)
    {
        var name = DuckDb.Name(column.Name);
        return column.Type switch
        {
            ColumnType.Boolean => name,
            ColumnType.Integer => $"{name}::bigint",
            ColumnType.Number => $"{name}::double",
            ColumnType.Time => $"epoch_us({name})",
            _ => $"{name}::varchar",
        };
    }

    /// <summary>One value of a column at the end of a row; times as microseconds.</summary>
    internal static void Append(IDuckDBAppenderRow target, Column column, int row)
    {
        if (column.IsMissing(row)) { target.AppendNullValue(); return; }
        switch (column.Type)
        {
            case ColumnType.Boolean: target.AppendValue(column.Booleans[row]); break;
            case ColumnType.Number: target.AppendValue(column.Numbers[row]); break;
            case ColumnType.Text: target.AppendValue(column.Texts[row]); break;
            default: target.AppendValue(column.Integers[row]); break;
        }
    }

    internal static string Stored(ColumnType type) => type switch
    {
        ColumnType.Boolean => "boolean",
        ColumnType.Number => "double",
        ColumnType.Text => "varchar",
        _ => "bigint",
    };
}
