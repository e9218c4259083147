using System.Globalization;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>The one door to DuckDB, the SQL engine over files and tables: no network, bounded memory, times in UTC.</summary>
public static class DuckDb
{
    /// <summary>An empty database in memory, gone with the connection. One connection is for one thread at a time.</summary>
    /// <param name="threads">0: one per core.</param>
    /// <param name="memory">Bytes of working memory before it spills to the temporary folder; 0: <see cref="UsualMemory"/>.</param>
    /// <remarks>
    /// Extensions are never fetched or loaded on demand (DuckDB would download them); Parquet, JSON and ICU are built in.
    /// Opening takes about 10 ms, the first in a process 60 ms more.
    /// </remarks>
    public static DuckDBConnection Open(int threads = 0, long memory = 0)
    {
        if (threads <= 0) threads = Environment.ProcessorCount;
        if (memory <= 0) memory = UsualMemory;
        var connection = new DuckDBConnection("DataSource=:memory:");
        connection.Open();
        var spill = Path.Combine(Path.GetTempPath(), $"takt-duckdb-{Environment.ProcessId}-{Guid.NewGuid():N}");
        Execute(connection, $"""
            set autoinstall_known_extensions = false;
            set autoload_known_extensions = false;
            set threads = {threads};
            set memory_limit = '{memory >> 20}MiB';
            set temp_directory = {Text(spill)};
            set TimeZone = 'UTC';
            """);
        return connection;
    }

    /// <summary>A quarter of what the process may use, 256 MiB at least; in bytes.</summary>
    public static long UsualMemory => Math.Max(256L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);

    public static void Execute(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>A name as SQL reads it, quoted: <c>"my column"</c>.</summary>
    public static string Name(string name) => '"' + name.Replace("\"", "\"\"") + '"';

    /// <summary>A double as SQL takes it, to the last bit: written without quotes it would be a decimal first, and then a neighbour.</summary>
    public static string Number(double value) => $"'{value.ToString("R", CultureInfo.InvariantCulture)}'::double";

    /// <summary>A text literal: <c>'it''s'</c>.</summary>
    public static string Text(string value) => '\'' + value.Replace("'", "''") + '\'';

    /// <summary>
    /// SQL for <c>from</c> that reads data files as one table: columns are matched by name, one that a file does not have is NULL there.
    /// By ending: <c>.parquet</c>, <c>.csv</c>, <c>.tsv</c>, <c>.jsonl</c>/<c>.ndjson</c>/<c>.json</c>, the text formats also with <c>.gz</c>.
    /// CSV must have a header line and the same number of fields in every line; <c>,</c>, <c>;</c>, tab or <c>|</c> parts them.
    /// </summary>
    /// <param name="fileColumn">Adds a column of this name with the path of each row's file.</param>
    /// <param name="asText">What stands in a CSV is text: <c>0017</c> is no number.</param>
    /// <param name="whole">Compressed files are read to their end first: DuckDB takes what is there of one that was cut off.</param>
    /// <exception cref="TaktException">Invalid: no files, or one of another ending, or that was cut off.</exception>
    public static string Scan(IEnumerable<string> files, string? fileColumn = null, bool asText = false, bool whole = true)
    {
        var options = "union_by_name = true" + (fileColumn is null ? "" : $", filename = {Text(fileColumn)}");
        var scans = new List<string>();
        foreach (var group in files.Select(Checked).GroupBy(file => (Format: FormatOf(file), Delimiter: FormatOf(file) == "csv" ? CsvDelimiter.Of(file) : ' ')))
        {
            var list = string.Join(", ", group.Select(Text));
            scans.Add(group.Key.Format switch
            {
                "parquet" => $"read_parquet([{list}], {options})",
                // everything but the types is told: DuckDB's own guess takes a ragged file for one of another delimiter or with lines to skip
                "csv" => $"read_csv([{list}], {options}, {CsvOptions(group.Key.Delimiter)}{(asText ? ", all_varchar = true" : "")})",
                "json" => $"read_json([{list}], {options}, format = 'auto')",
                _ => $"read_json([{list}], {options}, format = 'newline_delimited')",
            });
        }
        return scans.Count switch
        {
            0 => throw TaktException.Invalid("no data files to read"),
            1 => scans[0],
            _ => $"({string.Join(" union all by name ", scans.Select(scan => $"select * from {scan}"))})",
        };

        string Checked(string file)
        {
            if (whole && Gzip.Is(file)) Gzip.Require(file, file);
            return file;
        }
    }

    internal static string CsvOptions(char delimiter) => $"header = true, skip = 0, delim = {Text(delimiter.ToString())}, quote = '\"', escape = '\"', strict_mode = true";

    /// <summary>Whether <see cref="Scan"/> can read the file, by its ending.</summary>
    public static bool CanRead(string file) => Format(file) is not null;

    /// <summary>Runs work on data files and turns DuckDB's error into one line that names them.</summary>
    /// <param name="what">What was being read or run, for the message: a path or the name of a query.</param>
    /// <exception cref="TaktException">Invalid: a file can't be read as what its ending says, or the SQL is wrong. Unavailable: out of memory or disk.</exception>
    /// <exception cref="OperationCanceledException">A <see cref="QueryStop"/> ended it.</exception>
    /// <param name="files">Those that are read, for a message that names the one at fault.</param>
    public static T Guard<T>(string what, Func<T> work, IReadOnlyList<string>? files = null)
    {
        try
        {
            return work();
        }
        catch (DuckDBException e) when (e.Message.StartsWith("INTERRUPT", StringComparison.OrdinalIgnoreCase))
        {
            throw new OperationCanceledException($"{what}: stopped", e);
        }
        catch (DuckDBException e)
        {
            var full = e.Message.Contains("No space left", StringComparison.Ordinal);
            var memory = e.Message.StartsWith("Out of Memory", StringComparison.OrdinalIgnoreCase);
            if (!full && !memory && ReaderFaults.Of(e.Message, files ?? [what]) is { } fault) throw new TaktException(TaktError.Invalid, fault, e);
            throw new TaktException(full || memory ? TaktError.Unavailable : TaktError.Invalid, $"{what}: {OneLine(e.Message)}", e);
        }
    }

    /// <inheritdoc cref="Guard{T}(string, Func{T}, IReadOnlyList{string}?)"/>
    public static T Guard<T>(IReadOnlyList<string> files, Func<T> work) => Guard(Tables.Named(files), work, files);

    // the lines after the first two explain every option of the reader; the fault itself is in front
    internal static string OneLine(string message) =>
        string.Join(' ', message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(3).Where(line => !line.StartsWith("The search space used was", StringComparison.Ordinal))).TrimEnd('.', ' ');

    static string FormatOf(string file) => Format(file)
        ?? throw TaktException.Invalid($"{file}: not a data file that Takt reads; use .parquet, .csv, .tsv, .jsonl, .ndjson or .json");

    static string? Format(string file)
    {
        var name = Gzip.Is(file) ? file[..^3] : file;
        return Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".parquet" when name.Length == file.Length => "parquet",
            ".csv" or ".tsv" => "csv",
            ".jsonl" or ".ndjson" => "jsonl",
            ".json" => "json",
            _ => null,
        };
    }
}
