namespace Takt.Tests.Services;

/// <summary>A real S3 service (Ceph's radosgw), started by the first test that asks for it and stopped after the last of the assembly.</summary>
public sealed class S3Gateway : IAsyncDisposable
{
    string _folder = "";
    readonly Lazy<Task<(string Endpoint, string AccessKey, string SecretKey)>> _address;

    public S3Gateway() => _address = new(async () =>
    {
        _folder = Directory.CreateTempSubdirectory("takt-ceph").FullName; // a run that asks for no service, and is stopped half-way, leaves none
        return (await TestProcess.Script("ceph/up.sh", Path.Combine(_folder, "c"), Environment.ProcessId.ToString())).Split(' ') is [var endpoint, var access, var secret]
            ? (endpoint, access, secret) : throw new InvalidOperationException("tests/services/ceph/up.sh did not print endpoint, key and secret");
    });

    public Task<(string Endpoint, string AccessKey, string SecretKey)> Address => _address.Value;

    public async ValueTask DisposeAsync()
    {
        if (!_address.IsValueCreated) return;
        if (_address.Value.IsCompletedSuccessfully) await TestProcess.Script("ceph/down.sh", Path.Combine(_folder, "c"));
        Directory.Delete(_folder, recursive: true);
    }
}
