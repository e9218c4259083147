using Takt.Tests.Services;

[assembly: AssemblyFixture(typeof(PostgreSqlServer))]
