using System.Globalization;
using Microsoft.Data.Sqlite;
using Takt.Data;

namespace Takt.Storage.Sqlite;

/// <summary>Rows of an SQLite file: <c>sqlite:path/to.db</c> and a query or a table, read in one transaction, never written.</summary>
public sealed class SqliteSource : ISource
{
    public IReadOnlyList<string> Prefixes { get; } = ["sqlite:"];

    public IReadOnlyList<string> Settings { get; } = ["query", "table", "cursor"];

    public bool GivesRows => true;

    public async Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var shown = request.Address;
        var path = Path.GetFullPath(Path.Combine(request.Folder, SourceRequest.WithSecrets(shown)["sqlite:".Length..]));
        if (!File.Exists(path)) throw TaktException.NotFound($"{shown}: there is no such file");
        try
        {
            await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
            await connection.OpenAsync(cancel);
            await using var snapshot = connection.BeginTransaction(deferred: true);
            return await Fetch(request, connection, cancel);
        }
        catch (SqliteException e)
        {
            throw new TaktException(e.SqliteErrorCode is 5 or 6 or 10 ? TaktError.Unavailable : TaktError.Invalid, $"{shown}: {e.Message}", e);
        }
    }

    static async Task<SourceBatch> Fetch(SourceRequest request, SqliteConnection connection, CancellationToken cancel)
    {
        var query = SqlSource.Query(request, Name);
        var column = request.Setting("cursor");
        var (where, cursor) = ("", (string?)null);
        await using var command = connection.CreateCommand();
        if (column is not null)
        {
            await Require(connection, query, column, request, cancel);
            await using (var most = connection.CreateCommand())
            {
                most.CommandText = $"select max(q.{Name(column)}) from (\n{query}\n) q";
                cursor = Convert.ToString(await most.ExecuteScalarAsync(cancel), CultureInfo.InvariantCulture) is { Length: > 0 } value ? value : null;
            }
            var rules = new List<string>();
            if (request.IsBackfill)
            {
                if (request.Range.From is { } from) rules.Add($"q.{Name(column)} >= {Parameter(command, from)}");
                if (request.Range.To is { } to) rules.Add($"q.{Name(column)} < {Parameter(command, to)}");
            }
            else if (request.Cursor is { } known)
                rules.Add(request.Late == TimeSpan.Zero ? $"q.{Name(column)} > {Parameter(command, known)}" : $"q.{Name(column)} >= {Parameter(command, Before(known, request.Late, column))}");
            if (rules.Count > 0) where = $" where {string.Join(" and ", rules)}";
            where += $" order by q.{Name(column)}";
        }
        else if (request.IsBackfill) throw TaktException.Invalid($"{request.Address}: a range is of the cursor, and there is none; say cursor: COLUMN");
        command.CommandText = $"select * from (\n{query}\n) q{where}";
        await using var reader = await command.ExecuteReaderAsync(cancel);
        var columns = Enumerable.Range(0, reader.FieldCount).Select(i => Declared(reader.GetDataTypeName(i), reader.GetFieldType(i))).ToList();
        var file = Path.Combine(request.Target, $"{Guid.NewGuid():N}.parquet");
        var rows = await RowFile.Write(request.Address, reader, columns, file, cancel);
        return new SourceBatch(rows == 0 ? new Dictionary<string, string>() : new Dictionary<string, string> { ["rows.parquet"] = file }, cursor ?? request.Cursor);
    }

    /// <summary>By the declared type, as SQLite itself takes it ("Datatypes In SQLite", 3.1), and times by their usual names; an expression has none and is what its first value is.</summary>
    static RowFile.Kept Declared(string declared, Type first)
    {
        var type = declared.ToUpperInvariant();
        if (type.Contains("BOOL")) return RowFile.Kept.Boolean;
        if (type is "DATE") return RowFile.Kept.Date;
        if (type.Contains("DATETIME") || type.Contains("TIMESTAMP")) return RowFile.Kept.Time;
        if (type.Contains("INT")) return RowFile.Kept.Integer;
        if (type.Contains("CHAR") || type.Contains("CLOB") || type.Contains("TEXT")) return RowFile.Kept.Text;
        if (type.Contains("REAL") || type.Contains("FLOA") || type.Contains("DOUB") || type.Contains("NUMERIC") || type.Contains("DECIMAL")) return RowFile.Kept.Number;
        return type is "BLOB" ? RowFile.Kept.Bytes : RowFile.KeptAs(first);
    }

    static async Task Require(SqliteConnection connection, string query, string column, SourceRequest request, CancellationToken cancel)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = $"select * from (\n{query}\n) q limit 0";
        await using var reader = await command.ExecuteReaderAsync(cancel);
        var names = Enumerable.Range(0, reader.FieldCount).Select(reader.GetName).ToList();
        if (!names.Contains(column)) throw TaktException.Invalid($"{request.Address}: no column '{column}' to be the cursor; there are: {string.Join(", ", names)}");
    }

    // a number compares as a number, a time as the text it is
    static string Parameter(SqliteCommand command, string value)
    {
        var name = $"$p{command.Parameters.Count}";
        command.Parameters.AddWithValue(name, long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole
            : double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : value);
        return name;
    }

    static string Before(string known, TimeSpan late, string column)
    {
        foreach (var format in (string[])["yyyy-MM-dd HH:mm:ss.FFFFFFF", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", "yyyy-MM-dd"])
            if (DateTime.TryParseExact(known, format, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)) return (time - late).ToString(format, CultureInfo.InvariantCulture);
        // seconds since 1970, as SQLite's unixepoch() has them
        if (long.TryParse(known, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds)) return (seconds - (long)late.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        throw TaktException.Invalid($"late is a time, and the cursor '{column}' has '{known}'; use a time as cursor, or leave late out");
    }

    static string Name(string name) => '"' + name.Replace("\"", "\"\"") + '"';
}
