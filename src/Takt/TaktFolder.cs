namespace Takt;

/// <summary>Where a project keeps what: the work tree that git sees, and the state beside it that git does not.</summary>
/// <param name="Root">The folder that holds <c>takt.yaml</c>; absolute.</param>
/// <param name="State"><c>.takt/</c> in the root, or <c>$TAKT_HOME</c>; absolute.</param>
public sealed record TaktFolder(string Root, string State)
{
    public const string ProjectFileName = "takt.yaml";

    public string ProjectFile => Path.Combine(Root, ProjectFileName);
    public string LockFile => Path.Combine(Root, "takt.lock");
    public string Database => Path.Combine(State, "takt.db");
    public string Points => Path.Combine(State, "takt.db-points");
    public string Store => Path.Combine(State, "store");
    public string Runs => Path.Combine(State, "runs");
    public string Predictions => Path.Combine(State, "predictions");
    public string Cache => Path.Combine(State, "cache");
    /// <summary>Optional: where rows and bytes are when not in <see cref="State"/>; one <c>name = value</c> a line.</summary>
    public string Settings => Path.Combine(Root, "takt.config");

    public string Socket => Path.Combine(State, "takt.sock");

    /// <summary>The state of the project in <paramref name="root"/>: <c>$TAKT_HOME</c> when set, else its <c>.takt/</c>.</summary>
    public static TaktFolder At(string root)
    {
        root = Path.GetFullPath(root);
        var home = Environment.GetEnvironmentVariable("TAKT_HOME");
        return new(root, string.IsNullOrEmpty(home) ? Path.Combine(root, ".takt") : Path.GetFullPath(home));
    }

    /// <summary>The nearest folder at or above <paramref name="start"/> that holds a <c>takt.yaml</c>, or null.</summary>
    public static TaktFolder? Find(string start)
    {
        for (var dir = new DirectoryInfo(Path.GetFullPath(start)); dir is not null; dir = dir.Parent)
            if (File.Exists(Path.Combine(dir.FullName, ProjectFileName)))
                return At(dir.FullName);
        return null;
    }
}
