using System.Text;
using Takt.Data;

namespace Takt.Tests.Data;

/// <summary>The bytes of docs/formats.md. A test here that must change means that old data can't be read: think again.</summary>
public sealed class DatasetFormatTests
{
    static readonly DatasetTree Tree = new([new("b/ü.csv", Digest.Of("2"u8), 1), new("a.csv", Digest.Of("1"u8), 1)]);

    [Fact]
    public void A_tree_is_these_bytes()
    {
        List<byte[]> nodes = [];
        Tree.Build(node => { nodes.Add(node); return Takt.Storage.Packs.ContentId.Of(node); });
        Assert.Equal("54414B544C454146" + "00000000" + "02000000"
            + "0005" + "612E637376" + "00" + "01" + "6B86B273FF34FCE19D6B804EFF5A3F5747ADA4EAA22F1D49C01E52DDB7875B4B"
            + "0008" + "622FC3BC2E637376" + "00" + "01" + "D4735E3A265E16EEE03F59718B9B5D03019C07D8B6C51F90DA3A666EEC13AB35", Convert.ToHexString(Assert.Single(nodes)));
        Assert.Equal(Digest.Of(nodes[0]), Tree.Id);
    }

    [Fact]
    public void A_commit_is_these_bytes()
    {
        var commit = new DatasetCommit("flights", Digest.Of("t"u8), [Digest.Of("p"u8)], "ann", DateTimeOffset.FromUnixTimeMilliseconds(980_000_000_123), "more \"data\"", "in/*.csv", 2, 5, 7, Digest.Of("f"u8));
        Assert.Equal("""
            {"author":"ann","bytes":5,"files":2,"message":"more \"data\"","parents":["sha256:148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940"],"profile":"sha256:252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111","rows":7,"source":"in/*.csv","takt":1,"time":980000000123,"tree":"sha256:e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8"}
            """, Encoding.UTF8.GetString(commit.Json()));
        Assert.Equal("""{"author":"","bytes":0,"files":0,"message":"","parents":[],"source":"","takt":1,"time":0,"tree":"sha256:e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8"}""",
            Encoding.UTF8.GetString(new DatasetCommit("x", Digest.Of("t"u8), [], "", DateTimeOffset.UnixEpoch, "", "", 0, 0, null, null).Json()));
    }

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("../a")]
    [InlineData("a/../b")]
    [InlineData("a//b")]
    [InlineData("")]
    public void A_path_that_would_leave_the_folder_is_no_path(string path) =>
        Assert.Throws<TaktException>(() => new DatasetTree([new(path, Digest.Of("1"u8), 1)]));

    [Fact]
    public void A_pointer_is_these_lines_and_unknown_ones_are_ignored()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("takt").FullName, "flights.takt");
        var pointer = new DatasetPointer("flights", Digest.Of("c"u8), Digest.Of("t"u8), 4, 518_006);
        pointer.Write(path);
        Assert.Equal($"takt: 1\ndataset: flights\ncommit: {Digest.Of("c"u8)}\ntree: {Digest.Of("t"u8)}\nfiles: 4\nbytes: 518006\n", File.ReadAllText(path));
        File.AppendAllText(path, "later: thing\n");
        Assert.Equal(pointer, DatasetPointer.Read(path));
        File.WriteAllText(path, "hello\n");
        Assert.Contains("not a dataset pointer", Assert.Throws<TaktException>(() => DatasetPointer.Read(path)).Message);
    }
}
