using System.Security.Cryptography;
using Takt.Storage.Packs;

namespace Takt.Storage.Tests;

/// <summary>Where large files are cut.</summary>
public sealed class ChunkerTests
{
    static readonly int[] FrozenCuts = [276_339, 681_606, 990_182, 1_264_287, 1_577_393, 1_647_434];

    [Fact]
    public void Cuts_are_the_same_for_ever()
    {
        // frozen: other cuts would find no chunk of an old store again
        var chunker = new Chunker();
        var content = new byte[8 << 20];
        for (var (i, seed) = (0, 1u); i < content.Length; i++) content[i] = (byte)((seed = (seed * 1664525) + 1013904223) >> 24);
        var cuts = new List<int>();
        for (var at = 0; at < content.Length;) cuts.Add(at += chunker.Cut(content.AsSpan(at, Math.Min(chunker.Max, content.Length - at))));
        Assert.Equal(FrozenCuts, cuts.Take(6));
        Assert.All(cuts.Zip(cuts.Prepend(0)).SkipLast(1), cut => Assert.InRange(cut.First - cut.Second, chunker.Min, chunker.Max));
    }

    [Fact]
    public void Cuts_that_are_looked_for_in_several_stretches_at_once_are_those_of_one_byte_after_another()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            var average = 1 << random.Next(9, 16);
            var (min, max) = (random.Next(64, average), random.Next(average + 1, average * 6));
            var chunker = new Chunker(min, average, max, "s" + seed);
            var gear = Enumerable.Range(0, 256).Select(i => System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"s{seed}/{i}")))).ToArray();
            var content = new byte[random.Next(1, 600_000)];
            random.NextBytes(content);
            if (seed % 3 == 0) content.AsSpan(content.Length / 3, content.Length / 3).Fill(7);
            for (var at = 0; at < content.Length;)
            {
                var rest = content.AsSpan(at, Math.Min(max, content.Length - at));
                var cut = chunker.Cut(rest);
                Assert.Equal(Plain(rest, min, average, gear), cut);
                at += cut;
            }
        }

        static int Plain(ReadOnlySpan<byte> bytes, int min, int average, ulong[] gear)
        {
            ulong hash = 0;
            for (var i = min; i < bytes.Length; i++)
            {
                hash = (hash << 1) + gear[bytes[i]];
                if (hash >> (64 - int.Log2(average) - (i < average ? 2 : -2)) == 0) return i + 1;
            }
            return bytes.Length;
        }
    }
}
