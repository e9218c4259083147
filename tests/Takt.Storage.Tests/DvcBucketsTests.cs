#pragma warning disable CA5351 // DVC's ids are MD5
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Takt.Data;
using Takt.Data.Dvc;
using Takt.Data.WorkTrees;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.S3;
using Takt.Storage.Sqlite;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

/// <summary>DVC's remotes in buckets of a real S3 service: named by MD5, and with versions, where objects have the names of the files.</summary>
public sealed class DvcBucketsTests(S3Gateway gateway) : IDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("takt-dvc").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    static string Md5(string content) => Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(content)));

    void Write(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, path))!);
        File.WriteAllText(Path.Combine(_root, path), content);
    }

    async Task<DvcImported> Import()
    {
        await using var database = SqliteFile.Open(Path.Combine(_root, ".takt/takt.db"));
        using var store = new PackStore(new FolderBlobStore(Path.Combine(_root, ".takt/store")), database, TimeProvider.System);
        using var buckets = new DvcBuckets();
        using var dvc = new DvcImport(new WorkTree(_root, Path.Combine(_root, ".takt")), database, store, TimeProvider.System, buckets.Open, null);
        var done = await dvc.Run(dvc.Find());
        Assert.Equal([], await DatasetCheck.Of(database, store, data: true));
        return done;
    }

    [Fact]
    public async Task A_plain_bucket_is_asked_by_MD5_and_one_with_versions_for_the_very_version_and_a_wrong_key_is_told_once()
    {
        var (endpoint, access, secret) = await gateway.Address;
        var keys = new BasicAWSCredentials(access, secret);
        using var s3 = new AmazonS3Client(keys, S3Address.Parse($"s3://dvc-plain?endpoint={endpoint}").Settings());
        await s3.PutBucketAsync("dvc-plain");
        await s3.PutBucketAsync("dvc-versions");
        await s3.PutBucketVersioningAsync(new() { BucketName = "dvc-versions", VersioningConfig = new() { Status = VersionStatus.Enabled } });
        var list = $$"""[{"md5": "{{Md5("one")}}", "relpath": "1"}, {"md5": "{{Md5("two")}}", "relpath": "sub/ü 2"}, {"md5": "{{Md5("gone")}}", "relpath": "3"}]""";
        foreach (var (content, ending) in new[] { (list, ".dir"), ("one", ""), ("two", "") })
            await Put("dvc-plain", $"a b/files/md5/{Md5(content)[..2]}/{Md5(content)[2..]}{ending}", content);
        var first = await Put("dvc-versions", "top/v.txt", "first");
        await Put("dvc-versions", "top/v.txt", "second");
        Write(".dvc/config", $"[core]\n    remote = plain\n['remote \"plain\"']\n    url = s3://dvc-plain/a b\n    endpointurl = {endpoint}\n['remote \"versions\"']\n    url = s3://dvc-versions/top\n    version_aware = true\n    endpointurl = {endpoint}\n"
            + $"['remote \"wrong\"']\n    url = s3://dvc-plain/none\n    endpointurl = {endpoint}\n    access_key_id = {access}\n    secret_access_key = wrong\n");
        Write(".dvc/config.local", string.Concat(((string[])["plain", "versions"]).Select(name => $"['remote \"{name}\"']\n    access_key_id = {access}\n    secret_access_key = {secret}\n")));
        Write("data.dvc", $"outs:\n- md5: {Md5(list)}.dir\n  hash: md5\n  path: data\n");
        Write("v.txt.dvc", $"outs:\n- md5: {Md5("first")}\n  hash: md5\n  path: v.txt\n  cloud:\n    versions:\n      etag: abc\n      version_id: {first}\n");

        var done = await Import();
        Assert.Equal("first", File.ReadAllText(Path.Combine(_root, "v.txt")));
        Assert.Contains(done.Faults, fault => fault.Contains("'data/3'", StringComparison.Ordinal));
        var denied = Assert.Single(done.Faults, fault => fault.Contains("the remote wrong (s3://dvc-plain/none) can't be asked", StringComparison.Ordinal));
        Assert.DoesNotContain(secret, string.Concat(done.Faults), StringComparison.Ordinal);
        Assert.Equal(2, done.Faults.Count);

        await Put("dvc-plain", $"a b/files/md5/{Md5("gone")[..2]}/{Md5("gone")[2..]}", "gone");
        done = await Import();
        Assert.Empty(done.Faults);
        Assert.Equal((1, 4), (done.MovedFiles, done.MovedBytes)); // only what had been missing
        Assert.Equal("two", File.ReadAllText(Path.Combine(_root, "data/sub/ü 2")));

        async Task<string?> Put(string bucket, string key, string content) => (await s3.PutObjectAsync(new PutObjectRequest { BucketName = bucket, Key = key, ContentBody = content })).VersionId;
    }
}
