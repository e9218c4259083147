namespace Takt.Tests.Services;

/// <summary>A real PostgreSQL, started by the first test that asks for it and stopped after the last of the assembly.</summary>
public sealed class PostgreSqlServer : IAsyncDisposable
{
    string _folder = "";
    readonly Lazy<Task<string>> _address;
    int _schemas;

    public PostgreSqlServer()
    {
        // the variable that users set, too: no password stands in an address
        Environment.SetEnvironmentVariable("PGPASSWORD", "takt-secret");
        _address = new(() =>
        {
            _folder = Directory.CreateTempSubdirectory("takt-postgresql").FullName; // a run that asks for no server, and is stopped half-way, leaves none
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
            return TestProcess.Script("postgresql/up.sh", Path.Combine(_folder, "server"), Environment.ProcessId.ToString());
        });
    }

    /// <summary><c>postgres://takt@127.0.0.1:PORT/postgres</c></summary>
    public Task<string> Address => _address.Value;

    /// <summary>The address with a schema that nobody else uses.</summary>
    public async Task<string> NewSchema() => $"{await Address}?search_path=t{Interlocked.Increment(ref _schemas)}";

    /// <summary>As after a power loss, and up again on the same port.</summary>
    public async Task Crash()
    {
        await Address;
        await TestProcess.Script("postgresql/down.sh", Path.Combine(_folder, "server"), "immediate");
        await TestProcess.Script("postgresql/again.sh", Path.Combine(_folder, "server"));
    }

    public async ValueTask DisposeAsync()
    {
        if (!_address.IsValueCreated) return;
        if (_address.Value.IsCompletedSuccessfully) await TestProcess.Script("postgresql/down.sh", Path.Combine(_folder, "server"), "immediate");
        Directory.Delete(_folder, recursive: true);
    }
}
