using Takt.Data;
using Takt.Deployments;
using Takt.Storage.Tests;
using Microsoft.Extensions.Time.Testing;

namespace Takt.Tests.Deployments;

public sealed class JournalTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-log").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static PredictionBatch Batch(string id) => new(id, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, 1, "m@1", TimeSpan.FromMilliseconds(1),
        new Table([Column.Of("x", [1.5, double.NaN]), Column.Of("c", ["a", null]), Column.Of("n", [1L, 2L])]), new Table([Column.Of("probability", [0.1, 0.9])]), "");

    static byte[] Payload(Action<RecordWriter> write)
    {
        var writer = RecordWriter.OfThread();
        write(writer);
        return writer.Framed()[Journal.HeaderBytes..].ToArray();
    }

    [Fact]
    public async Task A_log_that_could_not_be_opened_opens_once_the_cause_is_gone()
    {
        await using var app = Takt.Server.TaktApp.Open(TaktFolder.At(_folder));
        var path = Path.Combine(TaktFolder.At(_folder).Predictions, "e");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "a file where the folder should be");
        Assert.ThrowsAny<TaktException>(() => app.Predictions.Of("e"));
        File.Delete(path);
        Assert.ThrowsAny<TaktException>(() => app.Predictions.Of("e")); // not for every request
        await Task.Delay(1100);
        Assert.True(await app.Predictions.Of("e").Append(Batch("p-1")));
    }

    [Fact]
    public async Task A_journal_that_the_disk_refuses_to_make_a_segment_is_tried_again()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        await log.Append(Batch("p-1"));
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch)]);
        var name = Path.GetFileNameWithoutExtension(Directory.GetFiles(_folder, "*.journal").Single());
        var inTheWay = Directory.CreateDirectory(Path.Combine(_folder, $"predictions-{name}-00.parquet")).FullName;
        Assert.Equal(TaktError.Unavailable, (await Assert.ThrowsAsync<TaktException>(log.Flush)).Error);
        Assert.NotNull(log.Fault);
        Directory.Delete(inTheWay);
        await log.Flush();
        Assert.Null(log.Fault);
        using var connection = await log.Open();
        Assert.Equal(2, Tables.Query(connection!, "select count(*) as n from predictions")["n"].Integers[0]);
    }

    sealed class Interrupting : TimeProvider
    {
        public Action Once { get; set; } = () => { };

        public override DateTimeOffset GetUtcNow()
        {
            var once = Once;
            Once = () => { };
            once();
            return base.GetUtcNow();
        }
    }

    [Fact]
    public async Task A_flush_that_is_asked_for_while_others_are_written_ends_when_its_own_are_segments()
    {
        // the clock is asked between the taking of what waits and its writing
        var time = new Interrupting();
        var many = Enumerable.Range(0, 4 * SegmentWriter.MostRows).Select(i => new Label($"p-2:{i}", 1, DateTimeOffset.UnixEpoch)).ToList(); // their writing takes its time
        await using var log = new PredictionLog(_folder, time);
        var flush = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        time.Once = () =>
        {
            _ = log.Append(many);
            flush.SetResult(log.Flush());
        };
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch)]);
        await await flush.Task;
        Assert.Single(Directory.GetFiles(_folder, "labels-*.parquet"));
    }

    [Fact]
    public async Task A_label_that_comes_while_others_are_written_is_answered_by_its_own_sync_not_by_theirs()
    {
        // the clock is asked when a journal begins, between the taking of what waits and its writing; of three journals the disk refuses the first and the third
        var time = new Interrupting();
        var aside = _folder + "-aside";
        await using var log = new PredictionLog(_folder, time);
        var label = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        time.Once = () =>
        {
            Refuse();
            _ = log.Append(Batch("p-2"));
            _ = log.Flush(); // ends the second journal
            time.Once = () =>
            {
                Take();
                label.SetResult(log.Append([new Label("p-2:0", 1, DateTimeOffset.UnixEpoch)]));
                time.Once = Refuse; // the second is synced and told of, the label is in the third
            };
        };
        await log.Append(Batch("p-1"));
        try
        {
            Assert.Equal(TaktError.Unavailable, (await Assert.ThrowsAsync<TaktException>(async () => await await label.Task)).Error);
        }
        finally
        {
            Take();
        }

        void Refuse()
        {
            Directory.Move(_folder, aside);
            File.WriteAllText(_folder, "a file where the folder should be");
        }

        void Take()
        {
            if (!Directory.Exists(aside)) return;
            File.Delete(_folder);
            Directory.Move(aside, _folder);
        }
    }

    [Fact]
    public async Task Nothing_is_merged_while_a_journal_is_to_be_tried_again_of_which_a_part_is_in_a_file_already()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        for (var i = 1; i < Segments.MergeAt; i++)
        {
            await log.Append(Batch($"p-{i}"));
            await log.Flush();
        }
        await log.Append(Batch("p-last"));
        await log.Append([new Label("p-last:0", 1, DateTimeOffset.UnixEpoch)]);
        var name = Path.GetFileNameWithoutExtension(Directory.GetFiles(_folder, "*.journal").Single());
        var inTheWay = Directory.CreateDirectory(Path.Combine(_folder, $"labels-{name}.parquet")).FullName;
        await Assert.ThrowsAsync<TaktException>(log.Flush);
        Directory.Delete(inTheWay);
        await log.Flush();
        await log.Flush(); // what is merged is there once all is done
        using var connection = await log.Open();
        var rows = Tables.Query(connection!, "select count(*) as n, count(distinct id) as ids from predictions");
        Assert.Equal((2 * Segments.MergeAt, 2 * Segments.MergeAt), (rows["n"].Integers[0], rows["ids"].Integers[0]));
    }

    [Fact]
    public async Task The_newest_predictions_are_read_out_of_the_files_that_hold_them_and_no_other_is_opened()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        for (var day = 0; day < 4; day++)
        {
            var at = DateTimeOffset.UnixEpoch.AddDays(day);
            await log.Append(Batch($"p-{day}") with { Time = at, Received = at });
            if (day > 0) await log.Append([new Label($"p-{day}:1", day, at), new Label($"p-{day - 1}:1", 10 + day, at)]);
            await log.Flush();
        }
        async Task<string> Newest(int rows)
        {
            var table = (await NewestPredictions.Of(log, rows))!;
            return string.Join(' ', Enumerable.Range(0, table.Rows).Select(row => $"{table["id"].TextAt(row)}={table["label"].TextAt(row)}"));
        }
        Assert.Equal("p-3:0= p-3:1=3 p-2:0=", await Newest(3));
        foreach (var old in Directory.GetFiles(_folder, "predictions-*").Order(StringComparer.Ordinal).Take(2)) File.WriteAllBytes(old, new byte[new FileInfo(old).Length]); // whoever reads it fails
        Assert.Equal("p-3:0= p-3:1=3 p-2:0= p-2:1=13", await Newest(4));
        await Assert.ThrowsAnyAsync<Exception>(() => Newest(5));
    }

    [Fact]
    public async Task Small_segments_are_merged_no_row_is_lost_or_twice_and_a_reader_is_not_disturbed()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        for (var i = 0; i < Segments.MergeAt - 1; i++)
        {
            await log.Append(Batch($"p-{i}"));
            await log.Append([new Label("p-0:0", i, DateTimeOffset.UnixEpoch)]);
            await log.Flush();
        }
        using (var reading = await log.Open())
        {
            await log.Append(Batch("p-last"));
            await log.Append([new Label("p-0:0", 99, DateTimeOffset.UnixEpoch)]);
            await log.Flush();
            await log.Flush(); // merging comes after the waiters are told: one more round
            Assert.Equal(Segments.MergeAt, Directory.GetFiles(_folder, "predictions-*.parquet").Length);
            Assert.Equal((Segments.MergeAt - 1) * 2, Tables.Query(reading!, "select count(*) as n from predictions")["n"].Integers[0]);
        }
        await log.Flush();
        await log.Flush();
        Assert.Single(Directory.GetFiles(_folder, "predictions-*.parquet"));
        Assert.Single(Directory.GetFiles(_folder, "labels-*.parquet"));
        Assert.Empty(Directory.GetFiles(_folder, "*.merge"));
        using var connection = await log.Open();
        var rows = Tables.Query(connection!, "select count(*) as n, count(distinct id) as d from predictions");
        Assert.Equal((Segments.MergeAt * 2, Segments.MergeAt * 2), (rows["n"].Integers[0], rows["d"].Integers[0]));
        Assert.Equal(99, Tables.Query(connection!, "select label from labels")["label"].NumberAt(0));
    }

    [Fact]
    public async Task A_merge_that_was_cut_off_is_ended_or_undone()
    {
        await using (var log = new PredictionLog(_folder, TimeProvider.System))
            foreach (var id in (string[])["p-a", "p-b"])
            {
                await log.Append(Batch(id));
                await log.Flush();
            }
        var files = Directory.GetFiles(_folder, "predictions-*.parquet").Order(StringComparer.Ordinal).ToList();
        File.WriteAllText(Path.ChangeExtension(files[1], ".merge"), Path.GetFileName(files[0]));
        File.WriteAllText(files[1] + ".merged.tmp", "not in place yet");
        await using (var undone = new PredictionLog(_folder, TimeProvider.System)) Assert.Equal(2, Directory.GetFiles(_folder, "predictions-*.parquet").Length);
        File.WriteAllText(Path.ChangeExtension(files[1], ".merge"), Path.GetFileName(files[0]));
        await using (var ended = new PredictionLog(_folder, TimeProvider.System)) Assert.Equal([files[1]], Directory.GetFiles(_folder, "predictions-*.parquet"));
    }

    [Fact]
    public void Cut_at_any_byte_the_whole_records_before_are_read()
    {
        var path = Path.Combine(_folder, "j");
        var records = new byte[][] { [1], [], [2, 3, 4], new byte[100] };
        var ends = new List<long>();
        using (var journal = new Journal(path))
            foreach (var record in records)
            {
                journal.Append(record);
                ends.Add(journal.Bytes);
            }
        var whole = File.ReadAllBytes(path);
        for (var cut = 0; cut <= whole.Length; cut++)
        {
            File.WriteAllBytes(path, whole[..cut]);
            Assert.Equal(records.Take(ends.Count(e => e <= cut)), Journal.Read(path).Select(r => r.ToArray()));
        }
    }

    [Fact]
    public void A_flipped_bit_ends_the_journal_before_it()
    {
        var path = Path.Combine(_folder, "j");
        using (var journal = new Journal(path))
            for (var i = 0; i < 3; i++) journal.Append([(byte)i, 7, 7]);
        var bytes = File.ReadAllBytes(path);
        bytes[(15 * 1) + 13] ^= 1; // in the second record's payload
        File.WriteAllBytes(path, bytes);
        Assert.Single(Journal.Read(path));
    }

    [Fact]
    public void A_batch_comes_back_as_it_was_written()
    {
        var back = BatchCodec.ReadBatch(Payload(w => BatchCodec.Write(w, Batch("p-1"))));
        Assert.Equal("p-1", back.Id);
        Assert.Equal(1.5, back.Inputs!["x"].Numbers[0]);
        Assert.True(back.Inputs["x"].IsMissing(1) && back.Inputs["c"].IsMissing(1));
        Assert.Equal(2, back.Inputs["n"].Integers[1]);
        Assert.Equal(0.9, back.Outputs!["probability"].Numbers[1]);
    }

    [Fact]
    public async Task Predictions_meet_their_labels_and_the_last_label_counts()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        await log.Append(Batch("p-1"));
        await log.Append([new Label("p-1:0", 0, DateTimeOffset.UnixEpoch), new Label("nobody:0", 1, DateTimeOffset.UnixEpoch)]);
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch.AddDays(1))]);
        await log.Flush();
        using var connection = await log.Open();
        var rows = Tables.Query(connection!, "select p.id, p.in_x, l.label from predictions p left join labels l using (id) order by id");
        Assert.Equal(2, rows.Rows);
        Assert.Equal(1, rows["label"].NumberAt(0));
        Assert.True(rows["label"].IsMissing(1));
    }

    [Fact]
    public async Task Of_two_labels_with_one_time_the_later_counts_within_a_segment_and_across()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        await log.Append(Batch("p-1"));
        foreach (var value in (double[])[0, 1]) await log.Append([new Label("p-1:0", value, DateTimeOffset.UnixEpoch)]);
        await log.Flush();
        Assert.Equal(1, await Label());
        await log.Append([new Label("p-1:0", 5, DateTimeOffset.UnixEpoch)]);
        await log.Flush();
        Assert.Equal(5, await Label());

        async Task<double> Label()
        {
            using var connection = await log.Open();
            return Tables.Query(connection!, "select label from labels")["label"].NumberAt(0);
        }
    }

    [Fact]
    public void A_log_knows_after_a_kill_how_many_predictions_were_not_on_the_disk_yet()
    {
        var path = Path.Combine(_folder, "counts");
        using var killed = new LogCounts(path);
        killed.Take(500);
        killed.Settle(420);
        killed.Take(7);
        using var next = new LogCounts(path); // the first one was not closed
        Assert.Equal((0, 87), (killed.Lost, next.Lost));
        next.Take(3);
        next.Settle(3);
        next.Dispose();
        using var third = new LogCounts(path);
        Assert.Equal(87, third.Lost);
    }

    [Fact]
    public void A_log_that_begins_on_a_full_disk_is_refused_not_the_process_ended()
    {
        using var disk = SmallDisk.Mount(2);
        var path = Path.Combine(disk.Folder, "counts");
        var filler = Fill(disk);
        for (var i = 0; i < 2; i++) Assert.Contains("disk full", Assert.Throws<TaktException>(() => new LogCounts(path)).Message);
        File.Delete(filler);
        using var counts = new LogCounts(path);
        Assert.Equal(0, counts.Lost);
    }

    [Fact]
    public async Task A_disk_that_fills_up_under_a_log_refuses_labels_and_takes_them_again_once_there_is_room()
    {
        using var disk = SmallDisk.Mount(4);
        await using var log = new PredictionLog(Path.Combine(disk.Folder, "m"), TimeProvider.System);
        await log.Append(Batch("p-1"));
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch)]);
        var filler = Fill(disk);
        for (var i = 0; i < 2; i++) // the second finds no journal
            Assert.Equal(TaktError.Unavailable, (await Assert.ThrowsAsync<TaktException>(() => log.Append(Labels("p-lost")))).Error);
        File.Delete(filler);
        await log.Append(Labels("p-2"));
        await log.Flush();
        using var connection = await log.Open();
        Assert.Equal(501, Tables.Query(connection!, "select count(*) as n from labels where id not like 'p-lost%'")["n"].Integers[0]);

        // more than what is left of the journal's last block, less than a stream buffers
        static List<Label> Labels(string id) => Enumerable.Range(0, 500).Select(i => new Label($"{id}:{i}", 1, DateTimeOffset.UnixEpoch)).ToList();
    }

    /// <returns>The file that takes all that was left.</returns>
    static string Fill(SmallDisk disk)
    {
        var filler = Path.Combine(disk.Folder, "filler");
        using var file = File.OpenHandle(filler, FileMode.CreateNew, FileAccess.Write);
        try { for (; ; ) RandomAccess.Write(file, new byte[1024], RandomAccess.GetLength(file)); } catch (IOException) { return filler; }
    }

    [Fact]
    public async Task A_second_opener_is_refused_and_takes_no_journal_away()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        await log.Append(Batch("p-1"));
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch)]);
        Assert.Equal(TaktError.Conflict, Assert.Throws<TaktException>(() => new PredictionLog(_folder, TimeProvider.System)).Error);
        Assert.Single(Directory.GetFiles(_folder, "*.journal"));
    }

    [Fact]
    public async Task What_a_dead_process_journalled_is_in_segments_after_the_next_start()
    {
        using (var journal = new Journal(Path.Combine(_folder, "20010101T000000000-x.journal")))
        {
            journal.Append(Payload(w => BatchCodec.Write(w, Batch("p-dead"))));
            journal.Sync();
        }
        File.AppendAllText(Path.Combine(_folder, "20010101T000000000-x.journal"), "torn");
        await using var log = new PredictionLog(_folder, new FakeTimeProvider());
        await log.Flush();
        using var connection = await log.Open();
        Assert.Equal(2, Tables.Query(connection!, "select count(*) as n from predictions")["n"].Integers[0]);
        Assert.Empty(Directory.GetFiles(_folder, "*.journal"));
    }
}
