namespace Takt.Storage.Tests;

public sealed class GlobTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public GlobTests()
    {
        foreach (var file in new[] { "a.csv", "b.csv", "b.txt", ".hidden.csv", "in/1.csv", "in/deep/2.csv", "in/.git/3.csv", "in/deep/er/4.txt" })
        {
            var path = Path.Combine(_folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "");
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("*.csv", "a.csv b.csv")]
    [InlineData("./*.csv", "a.csv b.csv")]
    [InlineData("?.csv", "a.csv b.csv")]
    [InlineData("b.*", "b.csv b.txt")]
    [InlineData("a.csv", "a.csv")]
    [InlineData(".hidden.csv", ".hidden.csv")]
    [InlineData("**/*.csv", "a.csv b.csv in/1.csv in/deep/2.csv")]
    [InlineData("in/**", "in/1.csv in/deep/2.csv in/deep/er/4.txt")]
    [InlineData("in/**/*.txt", "in/deep/er/4.txt")]
    [InlineData("in/*/2.csv", "in/deep/2.csv")]
    [InlineData("in/", "in/1.csv in/deep/2.csv in/deep/er/4.txt")]
    [InlineData("in", "in/1.csv in/deep/2.csv in/deep/er/4.txt")]
    [InlineData("nowhere/*.csv", "")]
    [InlineData("nothing.csv", "")]
    [InlineData("a+csv", "")]
    public void A_pattern_finds_its_files_in_order(string pattern, string files) =>
        Assert.Equal(files, string.Join(' ', Glob.Find(_folder, pattern).Select(file => Path.GetRelativePath(_folder, file))));

    [Theory]
    [InlineData("incoming/*.csv", "incoming")]
    [InlineData("incoming/a/b.csv", "incoming/a")]
    [InlineData("incoming/a*/b.csv", "incoming")]
    [InlineData("*.csv", "")]
    [InlineData("a.csv", "")]
    [InlineData("/data/*.csv", "/data")]
    [InlineData("/*.csv", "/")]
    public void The_fixed_folder_is_what_comes_before_the_first_wildcard(string pattern, string folder) => Assert.Equal(folder, Glob.FixedFolder(pattern));
}
