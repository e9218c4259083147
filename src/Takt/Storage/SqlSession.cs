using System.Data.Common;

namespace Takt.Storage;

/// <summary>One connection, in one transaction when it writes. Not safe for concurrent use; lives as long as the delegate it was handed to.</summary>
public sealed class SqlSession
{
    readonly PreparedCommands? _prepared;
    readonly bool _readOnly;

    internal SqlSession(DbConnection connection, DbTransaction? transaction, SqlDialect dialect, PreparedCommands? prepared = null, bool readOnly = false)
    {
        _readOnly = readOnly;
        Connection = connection;
        Transaction = transaction;
        Dialect = dialect;
        _prepared = prepared;
    }

    public SqlDialect Dialect { get; }

    /// <summary>The BCL's own connection, for prepared commands on a hot path.</summary>
    public DbConnection Connection { get; }

    public DbTransaction? Transaction { get; }

    /// <summary>Whether anything may have been changed since this was set to false.</summary>
    internal bool Changed { get; set; }

    /// <returns>How many rows changed.</returns>
    /// <exception cref="InvalidOperationException">Called in <see cref="Database.Read{T}"/>, whose end would undo it without a word.</exception>
    public int Execute(Sql sql)
    {
        if (_readOnly) throw new InvalidOperationException($"rows are changed in Database.Write, not in Read: {sql}");
        var before = Changed;
        var rows = Run(sql, static command => command.ExecuteNonQuery());
        Changed = before || rows != 0; // -1: no rows, but perhaps a table
        return rows;
    }

    public List<T> Query<T>(Sql sql, Func<SqlRow, T> read) => Run(sql, command =>
    {
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        var row = new SqlRow(reader);
        while (reader.Read()) rows.Add(read(row));
        return rows;
    });

    /// <summary>The first row, or null when there is none.</summary>
    public T? First<T>(Sql sql, Func<SqlRow, T> read) where T : class => Run(sql, command =>
    {
        using var reader = command.ExecuteReader();
        return reader.Read() ? read(new SqlRow(reader)) : null;
    });

    /// <summary>The first column of the first row; null when there is no row or the value is NULL.</summary>
    public long? Number(Sql sql) => Run(sql, static command => command.ExecuteScalar() is { } value and not DBNull ? Convert.ToInt64(value) : (long?)null);

    /// <inheritdoc cref="Number"/>
    public string? Text(Sql sql) => Run(sql, static command => command.ExecuteScalar() is { } value and not DBNull ? (string)value : null);

    T Run<T>(Sql sql, Func<DbCommand, T> work)
    {
        var command = sql.Command(Connection, Transaction, _prepared);
        // "insert … returning" is a query that changes something
        if (!command.CommandText.StartsWith("select", StringComparison.OrdinalIgnoreCase)) Changed = true;
        var done = false;
        try
        {
            var result = work(command);
            done = true;
            return result;
        }
        finally
        {
            if (done && _prepared is not null) _prepared.GiveBack(command);
            else command.Dispose();
        }
    }
}
