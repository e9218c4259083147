using System.Data.Common;
using System.Net.Sockets;
using Npgsql;

namespace Takt.Storage.PostgreSql;

/// <summary>PostgreSQL's error codes (its manual, appendix A) that the user can do something about, in words that tell what.</summary>
static class PostgreSqlFaults
{
    /// <param name="place">The server, without anything secret.</param>
    /// <returns>Null: a bug, such as wrong SQL or a broken constraint.</returns>
    public static TaktException? Explain(string place, DbException error) => error switch
    {
        PostgresException e => Explain(place, e),
        NpgsqlException { InnerException: SocketException or TimeoutException or IOException } or NpgsqlException { IsTransient: true } =>
            new(TaktError.Unavailable, $"the database {place} can't be reached ({Cause(error)}); check that it runs and that nothing blocks the way, then try again", error),
        // Npgsql has no code of its own for "a password is wanted and there is none"
        NpgsqlException e when e.Message.Contains("password", StringComparison.OrdinalIgnoreCase) => Login(place, e),
        NpgsqlException e when e.Message.Contains("SSL", StringComparison.Ordinal) =>
            new(TaktError.Denied, $"no secure connection to {place} ({e.Message}); see sslmode in docs/cluster.md", error),
        _ => null,
    };

    static TaktException? Explain(string place, PostgresException e) => e.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification => Login(place, e),
        PostgresErrorCodes.InvalidCatalogName => TaktException.NotFound($"{place}: {e.MessageText}; create it with 'createdb'"),
        PostgresErrorCodes.InsufficientPrivilege =>
            new(TaktError.Denied, $"{place}: {e.MessageText}; grant it to the user Takt connects as, or name a schema of its own with ?search_path=NAME", e),
        PostgresErrorCodes.DiskFull => new(TaktError.Unavailable, $"{place}: the server's disk is full; free some space and try again", e),
        PostgresErrorCodes.TooManyConnections => new(TaktError.Unavailable, $"{place} has no connection left; raise max_connections there or lower pool_size in the address", e),
        PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected =>
            new(TaktError.Unavailable, $"{place}: too many servers wrote the same rows at once; try again", e),
        PostgresErrorCodes.ReadOnlySqlTransaction => new(TaktError.Unavailable, $"{place} takes no writes now (a standby?); name the primary", e),
        PostgresErrorCodes.CharacterNotInRepertoire or PostgresErrorCodes.UntranslatableCharacter =>
            TaktException.Invalid($"the text can't be stored: {e.MessageText}"),
        _ when e.IsTransient || e.SqlState.StartsWith("57P", StringComparison.Ordinal) =>
            new(TaktError.Unavailable, $"the database {place} is not ready ({e.MessageText}); try again", e),
        _ => null,
    };

    static TaktException Login(string place, Exception e) =>
        new(TaktError.Denied, $"the database {place} refused the login; check the user in its address and the password in PGPASSWORD", e);

    static string Cause(Exception error)
    {
        while (error.InnerException is { } inner) error = inner;
        return error.Message;
    }
}
