using Takt.Storage;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

public sealed class DatabaseTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_failing_write_rolls_back_alone_within_its_group()
    {
        await using var database = SqliteFile.Open(Path.Combine(_folder, "t.db"));
        await database.Write(s => { s.Execute($"create table n(v integer primary key)"); });
        var writes = Enumerable.Range(0, 200).Select(i => database.Write(s =>
        {
            s.Execute($"insert into n(v) values({i})");
            if (i % 10 == 3) throw new InvalidOperationException("no");
        })).ToList();
        foreach (var write in writes)
            try { await write; } catch (InvalidOperationException) { }
        Assert.Equal(180, database.Read(s => s.Number($"select count(*) from n")));
        Assert.Null(database.Read(s => s.Number($"select v from n where v = {13}")));
    }
}
