using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

public sealed class SqliteContractTests : DatabaseContract
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    protected override Task<Database> Open() => Task.FromResult(SqliteFile.Open(Path.Combine(_folder, "t.db")));

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
