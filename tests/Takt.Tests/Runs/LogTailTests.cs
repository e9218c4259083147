using Takt.Runs;

namespace Takt.Tests.Runs;

public sealed class LogTailTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-tail").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_line_without_an_end_is_told_in_parts_and_no_secret_is_seen_where_it_is_cut()
    {
        const string Secret = "hunter2-and-more";
        var (log, parts) = (Path.Combine(_folder, "a.log"), new List<string>());
        await using (var tail = new LogTail(log, [Secret], parts.Add))
        {
            // secrets everywhere: some lie across each cut
            File.WriteAllText(tail.Written, string.Concat(Enumerable.Range(0, 4 * LogTail.LongestLine / 17).Select(i => Secret + (char)('a' + (i % 26)))) + "\nend\n");
            await tail.Finish();
        }
        Assert.InRange(parts.Count, 4, 10);
        Assert.All(parts, part => Assert.InRange(part.Length, 0, 2 * LogTail.LongestLine));
        Assert.Equal("end", parts[^1]);
        Assert.DoesNotContain("hunter", File.ReadAllText(log) + string.Concat(parts));
        Assert.Equal(4 * LogTail.LongestLine / 17, string.Concat(parts[..^1]).Count(char.IsAsciiLetter));
    }
}
