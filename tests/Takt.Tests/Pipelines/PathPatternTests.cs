using Takt.Pipelines;

namespace Takt.Tests.Pipelines;

/// <summary>Which files a declared path stands for.</summary>
public sealed class PathPatternTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-glob").FullName;

    public PathPatternTests()
    {
        foreach (var path in (string[])["a.py", "src/b.py", "src/deep/c.py", "src/notes.txt", "data/foox.csv", "data/x.csv", "data/1/x.csv", ".takt/runs/1/d.py", ".git/hooks/e.py", ".hidden/f.py"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_folder, path))!);
            File.WriteAllText(Path.Combine(_folder, path), path);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("*.py", "a.py")]
    [InlineData("src/*.py", "src/b.py")]
    [InlineData("src/**/*.py", "src/b.py,src/deep/c.py")]
    [InlineData("src/", "src/b.py,src/deep/c.py,src/notes.txt")]
    [InlineData("src/?.py", "src/b.py")]
    [InlineData("nothing/*.py", "")]
    public void A_pattern_stands_for_the_files_that_match(string pattern, string files) => Assert.Equal(files, string.Join(',', PathPattern.Files(_folder, pattern)));

    [Fact]
    public void Two_stars_and_a_slash_stand_for_whole_folders() => Assert.Equal(["data/1/x.csv", "data/x.csv"], PathPattern.Files(_folder, "data/**/x.csv"));

    [Fact]
    public void The_state_of_Takt_and_of_git_is_no_input() => Assert.Equal([".hidden/f.py", "a.py", "src/b.py", "src/deep/c.py"], PathPattern.Files(_folder, "**/*.py"));
}
