using System.Security.Cryptography;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

/// <summary>The blob contract over packs: every put is a session of its own that packs what it is given, every deletion a pack written anew.</summary>
public sealed class PackStoreTests : BlobStoreContract, IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly Database _database;
    readonly PackStore _packs;

    public PackStoreTests()
    {
        _database = SqliteFile.Open(Path.Combine(_folder, "takt.db"));
        _packs = Open();
    }

    protected override IBlobStore Store => new Packing(_packs);

    PackStore Open() => new(new FolderBlobStore(Path.Combine(_folder, "store")), _database, TimeProvider.System);

    public async ValueTask DisposeAsync()
    {
        _packs.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    static byte[] Noise(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    string FileOf(byte[] content, string name = "file.bin")
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    static async Task<TakenFile> Take(PackStore packs, string file, ContentId like = default, string? states = null) => (await TakeCounting(packs, file, like, states)).Taken;

    // also how many bytes the hash of the whole went over
    static async Task<(TakenFile Taken, long Hashed)> TakeCounting(PackStore packs, string file, ContentId like, string? states)
    {
        await using var writer = await packs.Begin("test");
        TakenFile taken = default;
        var intake = new FileIntake<int>(writer, (_, file) => taken = file, states) { LeastRemembered = 1 };
        intake.Add(file, FileStat.OfLink(file)!.Value, 0, like);
        intake.Finish();
        await writer.Commit(_ => { });
        return (taken, intake.Hashed);
    }

    string States => Path.Combine(_folder, "states");

    string[] PackFiles(string ending) => Directory.GetFiles(Path.Combine(_folder, "store/packs"), "*." + ending, SearchOption.AllDirectories);

    [Fact]
    public async Task A_large_file_is_found_by_the_sha256_of_all_of_it_and_read_from_any_place()
    {
        var content = Noise(5_000_000);
        var taken = await Take(_packs, FileOf(content));
        Assert.Equal(Digest.Of(content), taken.Id.Digest);
        using var other = Open();
        Assert.Equal(content.Length, await other.Length(taken.Id.Digest));
        await using var stream = await other.Open(taken.Id.Digest);
        var random = new Random(2);
        var part = new byte[3000];
        for (var i = 0; i < 200; i++)
        {
            var at = random.Next(content.Length - part.Length);
            stream.Position = at;
            stream.ReadExactly(part);
            Assert.True(part.AsSpan().SequenceEqual(content.AsSpan(at, part.Length)));
        }
        Assert.Equal(content, await File.ReadAllBytesAsync(await other.LocalFile(taken.Id.Digest)));
    }

    [Fact]
    public async Task An_insertion_stores_a_few_chunks_anew_and_equal_content_nothing()
    {
        var content = Noise(20_000_000);
        await Take(_packs, FileOf(content));
        var before = PackFiles("pack").Sum(file => new FileInfo(file).Length);
        await Take(_packs, FileOf(content, "same.bin"));
        Assert.Single(PackFiles("pack"));
        await Take(_packs, FileOf([.. content[..7_000_000], .. "inserted"u8, .. content[7_000_000..]], "changed.bin"));
        Assert.InRange(PackFiles("pack").Sum(file => new FileInfo(file).Length) - before, 1, 2_100_000);
    }

    [Fact]
    public async Task A_new_version_is_cut_as_if_there_were_no_earlier_one()
    {
        var content = Noise(6_000_000);
        var first = await Take(_packs, FileOf(content), default, States);
        var (saved, kept) = (Path.Combine(States, first.Id.Digest.Hex), File.ReadAllBytes(Path.Combine(States, first.Id.Digest.Hex)));
        byte[][] versions =
        [
            [.. content[..2_000_000], .. Noise(70_000, 2), .. content[2_000_000..]],
            [.. content[..1_000_000], .. Noise(500_000, 3), .. content[1_500_000..]],
            [.. content, .. Noise(900_000, 4)], content[..^1], content[..3_333_333], content[500_000..], [.. content, .. content],
            [.. content[3_000_000..], .. content[..3_000_000]], Noise(4_000_000, 5), [.. Enumerable.Repeat((byte)7, 5_000_000)],
        ];
        await using var database = SqliteFile.Open(Path.Combine(_folder, "other.db"));
        using var other = new PackStore(new FolderBlobStore(Path.Combine(_folder, "other")), database, TimeProvider.System);
        foreach (var version in versions)
        {
            var file = FileOf(version);
            File.WriteAllBytes(saved, kept);
            var (taken, alone) = (await Take(_packs, file, first.Id, States), await Take(other, file));
            Assert.Equal((Digest.Of(version), alone.Id), (taken.Id.Digest, taken.Id));
            Assert.Equal(other.TryFind(alone.Id)!.Value.Read(), _packs.TryFind(taken.Id)!.Value.Read());
        }
        Assert.Equal([], await StoreCheck.Of(_packs, data: true, default));
    }

    [Fact]
    public async Task A_new_version_of_a_large_file_is_hashed_from_where_it_differs_and_its_id_is_that_of_all_of_it()
    {
        const int MiB = 1 << 20;
        var content = Noise(41 * MiB);
        var (first, all) = await Take(content, default);
        Assert.Equal(content.Length, all);
        var saved = Assert.Single(Directory.GetFiles(States));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(saved));
        var kept = File.ReadAllBytes(saved);
        await Check([.. content, .. Noise(100, 2)], 0, 6);
        await Check([.. content[..(30 * MiB)], 1, .. content[(30 * MiB)..]], 10, 17);
        await Check([.. content[..(30 * MiB)], .. Noise(5 * MiB, 3), .. content[(35 * MiB)..]], 10, 17);
        await Check([1, .. content[1..]], 41, 41);
        await Check(content[..(36 * MiB)], 0, 6);
        await Check(content, 0, 6);
        kept[500] ^= 1;
        await Check([.. content, 1], 42, 42); // damaged: as good as none
        kept = kept[..1000]; // cut short: likewise
        await Check([.. content, 2], 42, 42);
        Assert.Equal([], await StoreCheck.Of(_packs, data: true, default));

        async Task Check(byte[] version, int leastMiB, int mostMiB)
        {
            File.WriteAllBytes(saved, kept);
            var (id, hashed) = await Take(version, first);
            Assert.Equal(Digest.Of(version), id.Digest);
            Assert.InRange(hashed, Math.Min((long)leastMiB * MiB, version.Length), (long)mostMiB * MiB);
        }

        async Task<(ContentId Id, long Hashed)> Take(byte[] version, ContentId like)
        {
            var (taken, hashed) = await TakeCounting(_packs, FileOf(version), like, States);
            return (taken.Id, hashed);
        }
    }

    [Fact]
    public async Task What_the_store_has_lost_of_an_earlier_version_is_stored_again_with_a_new_one()
    {
        var content = Noise(5_000_000);
        var first = await Take(_packs, FileOf(content), default, States);
        var lost = Assert.Single(_packs.Packs()).Id;
        byte[] grown = [.. content, .. Noise(900_000, 2)], again = [.. grown[..^10], 1];
        var second = await Take(_packs, FileOf(grown), first.Id, States);
        await _database.Write(session => session.Execute($"delete from pack where id = {lost.Digest}"));
        _packs.Refresh();
        var third = await Take(_packs, FileOf(again), second.Id, States);
        Assert.Equal(again, await _packs.Reader.Bytes(third.Id));
    }

    [Fact]
    public async Task Whole_files_count_as_stored_once()
    {
        await using var writer = await _packs.Begin("test");
        await writer.AddLoose(new MemoryStream(Noise(100_000)));
        Assert.Equal(100_000, writer.StoredBytes);
        await writer.AddLoose(new MemoryStream(Noise(100_000)));
        Assert.Equal(100_000, writer.StoredBytes);
        await writer.Commit(_ => { });
        Assert.Equal(0, writer.StoredBytes);
    }

    [Fact]
    public async Task Text_is_compressed_and_noise_is_not()
    {
        var text = string.Concat(Enumerable.Range(0, 100_000).Select(i => $"{i},flight {i % 77},late\n"));
        await Take(_packs, FileOf(System.Text.Encoding.UTF8.GetBytes(text)));
        Assert.InRange(new FileInfo(Assert.Single(PackFiles("pack"))).Length, 1, text.Length / 3);
        using var other = Open();
        Assert.Equal(text, await new StreamReader(await other.Open(Digest.Of(System.Text.Encoding.UTF8.GetBytes(text)))).ReadToEndAsync());
    }

    [Fact]
    public async Task Nothing_of_a_session_is_seen_before_it_commits_nor_after_it_was_given_up()
    {
        var content = Noise(100_000);
        var id = Digest.Of(content);
        await using (var writer = await _packs.Begin("test"))
        {
            writer.Add(content);
            Assert.Equal(content, await writer.Reader.Bytes(ContentId.From(id)));
            Assert.Null(await _packs.Length(id));
        }
        Assert.Null(await _packs.Length(id));
        Assert.False(Directory.Exists(Path.Combine(_folder, "store/packs")));
        Assert.Equal(0, _database.Read(session => session.Number($"select count(*) from store_lease")));
    }

    [Fact]
    public async Task A_commit_whose_rows_are_refused_can_be_tried_again()
    {
        await using var writer = await _packs.Begin("test");
        var id = writer.Add(Noise(1000));
        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.Commit(_ => throw new InvalidOperationException("refused")));
        Assert.Null(await _packs.Length(id.Digest));
        await writer.Commit(_ => { });
        Assert.Equal(1000, await _packs.Length(id.Digest));
    }

    [Fact]
    public async Task Two_stores_on_one_folder_see_each_others_packs()
    {
        using var other = Open();
        Assert.Empty(other.Packs());
        var taken = await Take(_packs, FileOf(Noise(50_000)));
        Assert.Equal(50_000, await other.Length(taken.Id.Digest));
    }

    [Fact]
    public async Task An_index_cut_short_at_any_byte_or_lost_is_made_again_from_its_pack()
    {
        var taken = await Take(_packs, FileOf(Noise(2_000_000)));
        var index = Assert.Single(PackFiles("idx"));
        var whole = await File.ReadAllBytesAsync(index);
        for (var length = 0; length < whole.Length; length++)
        {
            File.Delete(index);
            if (length > 0) await File.WriteAllBytesAsync(index, whole[..length]);
            using var store = Open();
            Assert.Equal(2_000_000, await store.Length(taken.Id.Digest));
            Assert.Equal(whole, await File.ReadAllBytesAsync(index));
        }
    }

    [Fact]
    public async Task A_pack_cut_short_at_any_byte_is_named_and_hands_out_nothing_wrong()
    {
        var content = Noise(1500);
        var taken = await Take(_packs, FileOf(content));
        var file = Assert.Single(PackFiles("pack"));
        var whole = await File.ReadAllBytesAsync(file);
        for (var length = 0; length < whole.Length; length++)
        {
            File.Delete(file);
            await File.WriteAllBytesAsync(file, whole[..length]);
            using var store = Open();
            var faults = await StoreCheck.Of(store, data: true, default);
            Assert.Contains(faults, fault => fault.Contains(Path.GetFileName(file), StringComparison.Ordinal));
            try
            {
                Assert.Equal(content, await store.Reader.Bytes(taken.Id));
            }
            catch (TaktException e)
            {
                Assert.Contains(Path.GetFileName(file), e.Message);
            }
        }
    }

    [Fact]
    public async Task A_changed_byte_anywhere_in_a_pack_is_found()
    {
        await Take(_packs, FileOf(Noise(300)));
        var file = Assert.Single(PackFiles("pack"));
        var whole = await File.ReadAllBytesAsync(file);
        File.Delete(file);
        for (var at = 0; at < whole.Length; at++)
        {
            whole[at] ^= 1;
            await File.WriteAllBytesAsync(file, whole);
            whole[at] ^= 1;
            using var store = Open();
            Assert.NotEmpty(await StoreCheck.Of(store, data: true, default));
        }
    }

    [Fact]
    public async Task A_full_disk_is_told_and_the_store_stays_as_it_was()
    {
        using var disk = SmallDisk.Mount(4);
        using var store = new PackStore(new FolderBlobStore(Path.Combine(disk.Folder, "store")), _database, TimeProvider.System);
        var file = FileOf(Noise(8_000_000));
        var e = await Assert.ThrowsAsync<TaktException>(() => Take(store, file));
        Assert.Contains("disk full", e.Message);
        Assert.Empty(store.Packs());
        Assert.Equal([], await StoreCheck.Of(store, data: true, default));
        Assert.Equal(1000, (await Take(store, FileOf(Noise(1000), "small"))).Stat.Size);
    }

    [Fact]
    public async Task A_session_whose_pack_could_not_be_sealed_loses_nothing_when_it_commits_again()
    {
        ContentId first, second;
        await using (var writer = await _packs.Begin("test"))
        {
            first = writer.Add(Noise(700_000, 1));
            // a folder stands where the index is to be made
            var obstacle = Path.ChangeExtension(Assert.Single(Directory.EnumerateFiles(_packs.Scratch, "*.pack", SearchOption.AllDirectories)), "idx");
            Directory.CreateDirectory(obstacle);
            await Assert.ThrowsAsync<TaktException>(() => writer.Commit(_ => { }));
            second = writer.Add(Noise(700_000, 2));
            await Assert.ThrowsAsync<TaktException>(() => writer.Commit(_ => { }));
            Directory.Delete(obstacle);
            await writer.Commit(_ => { });
        }
        using var again = Open();
        Assert.Equal(Noise(700_000, 1), await again.Reader.Bytes(first, default));
        Assert.Equal(Noise(700_000, 2), await again.Reader.Bytes(second, default));
        Assert.Empty(await StoreCheck.Of(again, data: true, default));
    }

    [Fact]
    public async Task A_record_that_a_full_disk_did_not_take_is_added_again_when_there_is_room()
    {
        using var disk = SmallDisk.Mount(8);
        using var store = new PackStore(new FolderBlobStore(Path.Combine(disk.Folder, "store")), _database, TimeProvider.System);
        var (large, small, filler) = (Noise(900_000, 1), Noise(3_000, 2), Path.Combine(disk.Folder, "filler"));
        await using (var writer = await store.Begin("test"))
        {
            writer.Add(Noise(1_000, 3));
            await using (var full = new FileStream(filler, FileMode.Create, FileAccess.Write, FileShare.None, 0))
                try
                {
                    for (var left = new DriveInfo(disk.Folder).AvailableFreeSpace - 300_000; left > 0; left -= 100_000) full.Write(new byte[100_000]);
                }
                catch (IOException)
                {
                    // full already
                }
            Assert.Contains("disk full", Assert.Throws<TaktException>(() => writer.Add(large)).Message);
            File.Delete(filler);
            writer.Add(small);
            writer.Add(large);
            await writer.Commit(_ => { });
        }
        Assert.Equal(large, await store.Reader.Bytes(ContentId.Of(large), default));
        Assert.Equal(small, await store.Reader.Bytes(ContentId.Of(small), default));
        Assert.Empty(await StoreCheck.Of(store, data: true, default));
    }

    [Fact]
    public async Task A_name_of_255_bytes_with_a_new_line_an_empty_file_and_a_link_are_files_like_others()
    {
        var name = "a\nü" + new string('x', 251);
        Assert.Equal(Digest.Of([]), (await Take(_packs, FileOf([], name))).Id.Digest);
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), "to/nowhere");
        Assert.Equal(Digest.Of("to/nowhere"u8), (await Take(_packs, Path.Combine(_folder, "link"))).Id.Digest);
    }

    [Fact]
    public async Task A_file_that_never_stops_changing_is_refused_by_name()
    {
        // so long that the writer has its turn in every reading, also on a busy machine
        var file = FileOf(Noise(1));
        using (var longer = File.OpenWrite(file)) longer.SetLength(192L << 20);
        using var stop = new CancellationTokenSource();
        using var begun = new ManualResetEventSlim();
        var writing = Task.Factory.StartNew(() =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch.AddSeconds(i));
                begun.Set();
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        begun.Wait();
        var e = await Assert.ThrowsAsync<TaktException>(() => Take(_packs, file));
        await stop.CancelAsync();
        await writing;
        Assert.Contains("changes while it is read", e.Message);
        Assert.Contains(file, e.Message);
    }

    [Fact]
    public async Task A_chunk_that_is_damaged_in_the_store_is_never_taken_for_what_it_was()
    {
        var content = Noise(4_000_000);
        var first = await Take(_packs, FileOf(content), default, States);
        var pack = Assert.Single(PackFiles("pack"));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        // the same byte changes in the store and in the file
        using (var file = File.OpenHandle(pack, FileMode.Open, FileAccess.ReadWrite))
        {
            var one = new byte[1];
            RandomAccess.Read(file, one, 2_000_000);
            one[0] ^= 0x55;
            RandomAccess.Write(file, one, 2_000_000);
        }
        content[(content.AsSpan().IndexOf(File.ReadAllBytes(pack).AsSpan(1_999_000, 500)) is >= 0 and var at ? at : throw new InvalidOperationException()) + 1000] ^= 0x55;
        var taken = await Take(_packs, FileOf(content), first.Id, States);
        Assert.Equal(Digest.Of(content), taken.Id.Digest);
        Assert.Equal(content, await _packs.Reader.Bytes(taken.Id));
    }

    sealed class Packing(PackStore packs) : IBlobStore
    {
        public async Task<Blob> Put(Stream content, CancellationToken cancel = default)
        {
            var file = Path.Combine(packs.Scratch, Guid.NewGuid().ToString("N"));
            await using (var copy = File.Create(file)) await content.CopyToAsync(copy, cancel);
            var taken = await Take(packs, file);
            return new Blob(taken.Id.Digest, taken.Stat.Size);
        }

        public Task<Stream> Open(Digest id, CancellationToken cancel = default) => packs.Open(id, cancel);
        public Task<long?> Length(Digest id, CancellationToken cancel = default) => packs.Length(id, cancel);
        public Task Delete(Digest id, CancellationToken cancel = default) => packs.Delete(id, cancel);
        public Task<string> LocalFile(Digest id, CancellationToken cancel = default) => packs.LocalFile(id, cancel);

        // what a user put; the chunks that it was cut into are the store's own
        public async IAsyncEnumerable<Blob> List([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
        {
            await foreach (var blob in packs.List(cancel)) yield return blob;
        }
    }
}
