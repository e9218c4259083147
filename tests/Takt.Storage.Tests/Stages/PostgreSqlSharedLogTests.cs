using Takt.Storage.PostgreSql;
using Takt.Tests.Services;

namespace Takt.Storage.Tests.Stages;

public sealed class PostgreSqlSharedLogTests(PostgreSqlServer server) : SharedLogContract
{
    string? _address;

    protected override async Task<Database> Open() => PostgreSqlDatabase.Open(_address ??= await server.NewSchema());
}
