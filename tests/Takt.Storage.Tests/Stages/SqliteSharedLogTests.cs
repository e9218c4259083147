using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests.Stages;

public sealed class SqliteSharedLogTests : SharedLogContract
{
    protected override Task<Database> Open() => Task.FromResult(SqliteFile.Open(Path.Combine(Folder, "takt.db")));
}
