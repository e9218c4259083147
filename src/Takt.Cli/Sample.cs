namespace Takt.Cli;

/// <summary>A project that Takt brings along, beside its binary.</summary>
static class Sample
{
    /// <summary>Weeks of flights that a new project has been given already: three to train on and one to test on.</summary>
    public const int FirstWeeks = 4;

    static string Samples => Path.Combine(AppContext.BaseDirectory, "samples");

    public static IEnumerable<string> Names => Directory.Exists(Samples) ? Directory.GetDirectories(Samples).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal) : [];

    /// <summary>All of the sample's weekly files, in order.</summary>
    public static IReadOnlyList<string> Weeks(string name)
    {
        var weeks = Path.Combine(Samples, name, "weeks");
        return Directory.Exists(weeks) ? Directory.GetFiles(weeks, "*.parquet").Order(StringComparer.Ordinal).ToList() : [];
    }

    /// <summary>Copies the project into a folder that has none, with the first weeks as incoming files.</summary>
    /// <exception cref="TaktException">NotFound: no such sample. Conflict: the folder has a project.</exception>
    public static void Copy(string name, string to)
    {
        var from = Path.Combine(Samples, name);
        if (!Directory.Exists(from)) throw TaktException.NotFound($"no sample '{name}'{Pipelines.Nearest.Hint(name, Names)}; there are: {string.Join(", ", Names)}");
        if (File.Exists(Path.Combine(to, TaktFolder.ProjectFileName))) throw TaktException.Conflict($"{to} has a {TaktFolder.ProjectFileName} already");
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(from, file);
            if (relative.StartsWith("weeks", StringComparison.Ordinal) || relative == TaktFolder.ProjectFileName) continue;
            Put(file, Path.Combine(to, relative));
        }
        foreach (var week in Weeks(name).Take(FirstWeeks)) Put(week, Path.Combine(to, "incoming", Path.GetFileName(week)));
        // last: a folder is a project from here on, and then it is whole
        Put(Path.Combine(from, TaktFolder.ProjectFileName), Path.Combine(to, TaktFolder.ProjectFileName));

        static void Put(string file, string target)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }
    }
}
