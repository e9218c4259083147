using Takt.Storage.PostgreSql;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

public sealed class PostgreSqlContractTests(PostgreSqlServer server) : DatabaseContract
{
    string? _address;

    protected override async Task<Database> Open() => PostgreSqlDatabase.Open(_address ??= await server.NewSchema());
}
