namespace Takt.Storage;

/// <summary>The SQL is the part that both engines share; what differs is decided by the engine, here and in the migrations.</summary>
public enum SqlDialect { Sqlite, PostgreSql }
