using Amazon.Runtime;
using Amazon.S3;
using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Storage.Packs;
using Takt.Storage.S3;
using Takt.Storage.Sqlite;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

/// <summary>The collection of garbage in a real bucket.</summary>
public sealed class S3GarbageCollectionTests(S3Gateway gateway) : IAsyncLifetime
{
    const string Bucket = "takt-gc";

    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    BasicAWSCredentials _keys = null!;
    string _address = null!;
    Database _database = null!;
    PackStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        var (endpoint, access, secret) = await gateway.Address;
        (_address, _keys) = ($"s3://{Bucket}/{Guid.NewGuid():N}?endpoint={endpoint}", new BasicAWSCredentials(access, secret));
        using (var s3 = new AmazonS3Client(_keys, S3Address.Parse(_address).Settings())) await s3.PutBucketAsync(Bucket);
        _database = SqliteFile.Open(Path.Combine(_folder, "takt.db"));
        _store = Open("cache");
    }

    public async ValueTask DisposeAsync()
    {
        _store?.Dispose();
        if (_database is not null) await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    PackStore Open(string cache) => new(S3BlobStore.Open(_address, Path.Combine(_folder, cache), _keys), _database, _time);

    string Write(string name, int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        Directory.CreateDirectory(Path.Combine(_folder, "work"));
        File.WriteAllBytes(Path.Combine(_folder, "work", name), bytes);
        return name;
    }

    async Task<List<GcAction>> Collect(double days)
    {
        _time.Advance(TimeSpan.FromDays(days));
        return (await new GarbageCollection(_database, _store, _time).Collect(TimeSpan.FromDays(14), TimeSpan.FromDays(7))).Steps.Select(step => step.Do).Distinct().ToList();
    }

    async Task<long> InBucket()
    {
        var bytes = 0L;
        await foreach (var file in _store.Objects.Objects("packs/")) bytes += file.Length;
        return bytes;
    }

    [Fact]
    public async Task A_dropped_version_leaves_the_bucket_after_its_quarantine_and_another_machine_checks_out_what_stays()
    {
        var datasets = new Datasets(_database, _store, _time, _store.Scratch);
        var work = Path.Combine(_folder, "work");
        await datasets.Collect("sales", work, [Write("shared.bin", 2 << 20, 1), Write("old.bin", 4 << 20, 2)]);
        File.Delete(Path.Combine(work, "old.bin"));
        await datasets.Commit(new NewVersion("sales", new Dictionary<string, string> { ["new.bin"] = Path.Combine(work, Write("new.bin", 1 << 20, 3)) }) { KeepOthers = true, Without = ["old.bin"] });
        Assert.InRange(await InBucket(), 7 << 20, 8 << 20);
        await new DatasetRetention(_database, _time).Set(new("sales", 1, null));

        var first = await Collect(15);
        Assert.Contains(GcAction.Drop, first);
        Assert.Contains(GcAction.Rewrite, first); // shared.bin stands in a pack with old.bin
        Assert.DoesNotContain(GcAction.Remove, await Collect(6)); // in quarantine
        Assert.Contains(GcAction.Remove, await Collect(1.5));
        Assert.InRange(await InBucket(), 3 << 20, 4 << 20);

        Assert.Empty(await DatasetCheck.Of(_database, _store, data: true));
        using var other = Open("another machine");
        var there = Path.Combine(_folder, "there") + "/";
        await new Datasets(_database, other, _time, other.Scratch).Checkout(datasets.Show("sales"), there);
        Assert.Equal(["new.bin", "shared.bin"], Directory.GetFiles(there).Select(Path.GetFileName).Order());
        foreach (var name in (string[])["new.bin", "shared.bin"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(work, name)), File.ReadAllBytes(Path.Combine(there, name)));
    }
}
