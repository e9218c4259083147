using System.Buffers.Binary;
using System.Text;
using Takt.Data;
using Takt.ML.Python;

namespace Takt.Tests.Models;

public sealed class FrameReaderTests
{
    /// <summary>Two rows of a number, a text and a flag.</summary>
    static byte[] Frame()
    {
        using var frame = new MemoryStream();
        Number(2);
        Number(3);
        Column(ColumnType.Number, "n", new byte[16]);
        Column(ColumnType.Text, "t", [1, 0, 0, 0, 3, 0, 0, 0, .. "abc"u8]);
        Column(ColumnType.Boolean, "b", [1, 0]);
        return frame.ToArray();

        void Number(int value)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
            frame.Write(bytes);
        }

        void Column(ColumnType type, string name, byte[] values) => frame.Write([(byte)type, 0, (byte)name.Length, 0, .. Encoding.UTF8.GetBytes(name), .. values]);
    }

    [Fact]
    public void A_table_is_read() => Assert.Equal(["a", "bc"], FrameReader.Table(Frame(), out _)[1].Texts);

    [Fact]
    public void An_answer_that_ends_early_is_the_workers_fault_wherever_it_ends()
    {
        var frame = Frame();
        for (var length = 0; length < frame.Length; length++)
        {
            var cut = frame[..length];
            Assert.Throws<WorkerEnded>(() => FrameReader.Table(cut, out _));
        }
    }

    [Fact]
    public void An_answer_of_any_bytes_is_a_table_or_the_workers_fault()
    {
        var random = new Random(7);
        var (read, refused) = (0, 0);
        for (var i = 0; i < 20_000; i++)
        {
            var frame = Frame();
            for (var n = random.Next(1, 4); n > 0; n--) frame[random.Next(frame.Length)] = (byte)random.Next(256);
            try
            {
                FrameReader.Table(frame, out _);
                read++;
            }
            catch (WorkerEnded)
            {
                refused++;
            }
        }
        Assert.True(read > 0 && refused > 0, $"{read} read, {refused} refused");
    }
}
