using System.Data;
using Npgsql;
using Takt.Data;

namespace Takt.Storage.PostgreSql;

/// <summary>Rows of a PostgreSQL: <c>pg:postgres://…</c> and a query or a table. All that one collect reads is of one moment (REPEATABLE READ, read only).</summary>
public sealed class PostgreSqlSource : ISource
{
    public IReadOnlyList<string> Prefixes { get; } = ["pg:", "postgres://", "postgresql://"];

    public IReadOnlyList<string> Settings { get; } = ["query", "table", "cursor"];

    public bool GivesRows => true;

    public async Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var shown = request.Address;
        var address = SourceRequest.WithSecrets(shown);
        if (address.StartsWith("pg:", StringComparison.OrdinalIgnoreCase)) address = address[3..];
        NpgsqlConnectionStringBuilder settings;
        try
        {
            settings = PostgreSqlAddress.Parse(address);
        }
        catch (TaktException e)
        {
            throw new TaktException(e.Error, $"{shown}: {(e.Message.Contains(address, StringComparison.Ordinal) ? "the database address can't be read" : e.Message)}");
        }
        try
        {
            await using var source = NpgsqlDataSource.Create(settings);
            await using var connection = await source.OpenConnectionAsync(cancel);
            await using var snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancel);
            await Execute(connection, "set transaction read only", cancel);
            return await Fetch(request, connection, cancel);
        }
        catch (PostgresException e) when (e.SqlState.StartsWith("42", StringComparison.Ordinal) || e.SqlState.StartsWith("22", StringComparison.Ordinal) || e.SqlState == "25006")
        {
            throw TaktException.Invalid($"{shown}: {e.MessageText}{(e.Hint is null ? "" : $" ({e.Hint})")}");
        }
        catch (NpgsqlException e)
        {
            throw PostgreSqlFaults.Explain(PostgreSqlAddress.Place(settings), e) ?? new TaktException(TaktError.Unavailable, $"{shown}: {(e as PostgresException)?.MessageText ?? "the connection broke"}; nothing was collected, try again", e);
        }
    }

    static async Task<SourceBatch> Fetch(SourceRequest request, NpgsqlConnection connection, CancellationToken cancel)
    {
        var query = SqlSource.Query(request, name => string.Join('.', name.Split('.').Select(Name)));
        var column = request.Setting("cursor");
        var (where, cursor) = ("", (string?)null);
        await using var command = Command(connection, "");
        if (column is not null)
        {
            var type = await TypeOf(connection, query, column, request, cancel);
            await using (var most = Command(connection, $"select max(q.{Name(column)})::text from (\n{query}\n) q")) cursor = await most.ExecuteScalarAsync(cancel) as string;
            var rules = new List<string>();
            if (request.IsBackfill)
            {
                if (request.Range.From is { } from) rules.Add($"q.{Name(column)} >= {Parameter(command, from, type)}");
                if (request.Range.To is { } to) rules.Add($"q.{Name(column)} < {Parameter(command, to, type)}");
            }
            else if (request.Cursor is { } known)
            {
                // strictly behind it; with a window, all in the window once more, and what is there already is left out afterwards
                rules.Add(request.Late == TimeSpan.Zero ? $"q.{Name(column)} > {Parameter(command, known, type)}"
                    : IsTime(type) ? $"q.{Name(column)} >= {Parameter(command, known, type)} - interval '{(long)request.Late.TotalSeconds} seconds'"
                    : throw TaktException.Invalid($"late is a time, and the cursor '{column}' is {type}; use a time as cursor, or leave late out"));
            }
            if (rules.Count > 0) where = $" where {string.Join(" and ", rules)}";
            where += $" order by q.{Name(column)}";
        }
        else if (request.IsBackfill) throw TaktException.Invalid($"{request.Address}: a range is of the cursor, and there is none; say cursor: COLUMN");
        command.CommandText = $"select * from (\n{query}\n) q{where}";
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SequentialAccess, cancel);
        var columns = Enumerable.Range(0, reader.FieldCount).Select(i => reader.GetDataTypeName(i) == "date" ? RowFile.Kept.Date : RowFile.KeptAs(reader.GetFieldType(i))).ToList();
        var file = Path.Combine(request.Target, $"{Guid.NewGuid():N}.parquet");
        var rows = await RowFile.Write(request.Address, reader, columns, file, cancel);
        return new SourceBatch(rows == 0 ? new Dictionary<string, string>() : new Dictionary<string, string> { ["rows.parquet"] = file }, cursor ?? request.Cursor);
    }

    static async Task<string> TypeOf(NpgsqlConnection connection, string query, string column, SourceRequest request, CancellationToken cancel)
    {
        await using var command = Command(connection, $"select * from (\n{query}\n) q limit 0");
        await using var reader = await command.ExecuteReaderAsync(cancel);
        for (var i = 0; i < reader.FieldCount; i++)
            if (reader.GetName(i) == column) return reader.GetDataTypeName(i);
        throw TaktException.Invalid($"{request.Address}: no column '{column}' to be the cursor; there are: {string.Join(", ", Enumerable.Range(0, reader.FieldCount).Select(reader.GetName))}");
    }

    // the value goes as text and the server reads it as what the column is: no driver's rounding in between
    static string Parameter(NpgsqlCommand command, string value, string type)
    {
        command.Parameters.AddWithValue(value);
        return $"cast(${command.Parameters.Count}::text as {type})";
    }

    static bool IsTime(string type) => type.StartsWith("timestamp", StringComparison.Ordinal) || type == "date";

    static string Name(string name) => '"' + name.Replace("\"", "\"\"") + '"';

    static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var command = Command(connection, sql);
        await command.ExecuteNonQueryAsync(cancel);
    }

    // without a time-out: the query is the user's, who can stop it
    static NpgsqlCommand Command(NpgsqlConnection connection, string sql) => new(sql, connection) { CommandTimeout = 0 };
}
