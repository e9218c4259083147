using System.Data.Common;

namespace Takt.Storage;

/// <summary>One connection, in one transaction when it writes. Not safe for concurrent use; lives as long as the delegate it was handed to.</summary>
public sealed class SqlSession(DbConnection connection, DbTransaction? transaction, SqlDialect dialect)
{
    public SqlDialect Dialect { get; } = dialect;

    /// <summary>The BCL's own connection, for prepared commands on a hot path.</summary>
    public DbConnection Connection { get; } = connection;

    public DbTransaction? Transaction { get; } = transaction;

    /// <returns>How many rows changed.</returns>
    public int Execute(Sql sql)
    {
        using var command = sql.Command(Connection, Transaction);
        return command.ExecuteNonQuery();
    }

    public List<T> Query<T>(Sql sql, Func<SqlRow, T> read)
    {
        using var command = sql.Command(Connection, Transaction);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        var row = new SqlRow(reader);
        while (reader.Read()) rows.Add(read(row));
        return rows;
    }

    /// <summary>The first row, or null when there is none.</summary>
    public T? First<T>(Sql sql, Func<SqlRow, T> read) where T : class
    {
        using var command = sql.Command(Connection, Transaction);
        using var reader = command.ExecuteReader();
        return reader.Read() ? read(new SqlRow(reader)) : null;
    }

    /// <summary>The first column of the first row; null when there is no row or the value is NULL.</summary>
    public long? Number(Sql sql)
    {
        using var command = sql.Command(Connection, Transaction);
        return command.ExecuteScalar() is { } value and not DBNull ? Convert.ToInt64(value) : null;
    }

    /// <inheritdoc cref="Number"/>
    public string? Text(Sql sql)
    {
        using var command = sql.Command(Connection, Transaction);
        return command.ExecuteScalar() is { } value and not DBNull ? (string)value : null;
    }
}
