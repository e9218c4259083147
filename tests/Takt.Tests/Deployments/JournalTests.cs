using Takt.Data;
using Takt.Deployments;
using Microsoft.Extensions.Time.Testing;

namespace Takt.Tests.Deployments;

public sealed class JournalTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-log").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static PredictionBatch Batch(string id) => new(id, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, 1, "m@1", TimeSpan.FromMilliseconds(1),
        new Table([Column.Of("x", [1.5, double.NaN]), Column.Of("c", ["a", null]), Column.Of("n", [1L, 2L])]), new Table([Column.Of("probability", [0.1, 0.9])]), "");

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
            Assert.Equal(records.Take(ends.Count(e => e <= cut)), Journal.Read(path));
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
        var back = (PredictionBatch)BatchCodec.Read(BatchCodec.Write(Batch("p-1")));
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
        log.Append(Batch("p-1"));
        await log.Append([new Label("p-1:0", 0, DateTimeOffset.UnixEpoch), new Label("nobody:0", 1, DateTimeOffset.UnixEpoch)]);
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch.AddDays(1))]);
        await log.Flush();
        using var connection = log.Open();
        var rows = Tables.Query(connection!, "select p.id, p.in_x, l.label from predictions p left join labels l using (id) order by id");
        Assert.Equal(2, rows.Rows);
        Assert.Equal(1, rows["label"].NumberAt(0));
        Assert.True(rows["label"].IsMissing(1));
    }

    [Fact]
    public async Task Of_two_labels_with_one_time_the_later_counts_within_a_segment_and_across()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        log.Append(Batch("p-1"));
        foreach (var value in (double[])[0, 1]) await log.Append([new Label("p-1:0", value, DateTimeOffset.UnixEpoch)]);
        await log.Flush();
        Assert.Equal(1, Label());
        await log.Append([new Label("p-1:0", 5, DateTimeOffset.UnixEpoch)]);
        await log.Flush();
        Assert.Equal(5, Label());

        double Label()
        {
            using var connection = log.Open();
            return Tables.Query(connection!, "select label from labels")["label"].NumberAt(0);
        }
    }

    [Fact]
    public async Task A_second_opener_is_refused_and_takes_no_journal_away()
    {
        await using var log = new PredictionLog(_folder, TimeProvider.System);
        log.Append(Batch("p-1"));
        await log.Append([new Label("p-1:0", 1, DateTimeOffset.UnixEpoch)]);
        Assert.Equal(TaktError.Conflict, Assert.Throws<TaktException>(() => new PredictionLog(_folder, TimeProvider.System)).Error);
        Assert.Single(Directory.GetFiles(_folder, "*.journal"));
    }

    [Fact]
    public async Task What_a_dead_process_journalled_is_in_segments_after_the_next_start()
    {
        using (var journal = new Journal(Path.Combine(_folder, "20010101T000000000-x.journal")))
        {
            journal.Append(BatchCodec.Write(Batch("p-dead")));
            journal.Sync();
        }
        File.AppendAllText(Path.Combine(_folder, "20010101T000000000-x.journal"), "torn");
        await using var log = new PredictionLog(_folder, new FakeTimeProvider());
        using var connection = log.Open();
        Assert.Equal(2, Tables.Query(connection!, "select count(*) as n from predictions")["n"].Integers[0]);
        Assert.Empty(Directory.GetFiles(_folder, "*.journal"));
    }
}
