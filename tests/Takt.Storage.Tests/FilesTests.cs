namespace Takt.Storage.Tests;

public sealed class FilesTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Files_are_put_one_behind_the_other_at_any_offset_and_one_that_is_too_short_is_told()
    {
        var content = new byte[300_001];
        new Random(3).NextBytes(content);
        var (one, other, whole) = (Path.Combine(_folder, "one"), Path.Combine(_folder, "other"), Path.Combine(_folder, "whole"));
        File.WriteAllBytes(one, content[..8192]);
        File.WriteAllBytes(other, content[8192..]);
        using (var to = File.OpenHandle(whole, FileMode.CreateNew, FileAccess.Write))
        {
            using var first = File.OpenHandle(one);
            using var second = File.OpenHandle(other);
            Files.Append(second, to, 8192, content.Length - 8192); // in any order
            Files.Append(first, to, 0, 8192);
            Assert.Throws<EndOfStreamException>(() => Files.Append(first, to, content.Length, 8193));
            RandomAccess.SetLength(to, content.Length);
        }
        Assert.Equal(content, File.ReadAllBytes(whole));
    }
}
