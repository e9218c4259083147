namespace Takt.Tests.Services;

/// <summary>The program as it has been built: no test builds anything, or waits until another has.</summary>
static class TaktProgram
{
    /// <summary>Of the checkout.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The one that the wrapper at the root published, which starts sooner, unless the solution was built since.</summary>
    public static string Path { get; } = Find();

    static string Find()
    {
        var built = System.IO.Path.Combine(Root, "artifacts", "bin", "Takt.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name);
        var published = System.IO.Path.Combine(Root, "artifacts", "takt", "takt");
        var newest = Directory.EnumerateFiles(built, "*akt*.dll").Max(File.GetLastWriteTimeUtc);
        return File.Exists(published) && File.GetLastWriteTimeUtc(published) > newest ? published : System.IO.Path.Combine(built, "takt");
    }

    static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder!.FullName, "Takt.slnx"))) folder = folder.Parent;
        return folder.FullName;
    }
}
