using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests.Stages;

public sealed class SqlitePurgeTests : PurgeContract
{
    protected override Task<Database> Open() => Task.FromResult(SqliteFile.Open(Path.Combine(Folder, "t.db")));
}
