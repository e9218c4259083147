using Takt.Runs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests.Stages;

public sealed class SqliteTrackingTests : TrackingContract
{
    protected override Task<Database> Open() => Task.FromResult(SqliteFile.Open(Path.Combine(Folder, "t.db")));
    protected override PointJournal? Journal(Database database, TimeProvider time) => OperatingSystem.IsLinux() ? new(database, Path.Combine(Folder, "t.db-points"), time) : null;
}
