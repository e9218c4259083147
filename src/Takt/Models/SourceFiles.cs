using Takt.Runs;
using Takt.Storage;

namespace Takt.Models;

/// <summary>The files behind the address of a version: <c>models:/…</c>, <c>runs:/…</c> and <c>mlflow-artifacts:/…</c> lead to artifacts of this server.</summary>
static class SourceFiles
{
    /// <summary>One address may name another; a circle ends here.</summary>
    const int LongestChain = 8;

    /// <summary>File paths and digests; null: they are not on this server.</summary>
    public static SortedDictionary<string, string>? Find(SqlSession session, Workspace workspace, string source, int depth = 0)
    {
        if (depth == LongestChain) return null;
        if (ArtifactFiles.PathOf(source) is { } path)
            return path.StartsWith(PackagesFolder, StringComparison.Ordinal) ? OfPackage(session, workspace, path[PackagesFolder.Length..])
                : Below(session, Safe(path) ? ArtifactFiles.Scoped(workspace, path) : null);
        if (source.StartsWith("runs:/", StringComparison.Ordinal) && source["runs:/".Length..].Split('/', 2) is [var run, var inner])
            return session.Text($"select r.artifact_uri from run r join experiment e on e.id = r.experiment where r.id = {run} and e.workspace = {workspace}") is { } root
                ? Find(session, workspace, $"{root}/{inner}", depth + 1) : null;
        if (!source.StartsWith("models:/", StringComparison.Ordinal)) return null;
        var model = source["models:/".Length..].Trim('/');
        if (LoggedModelUri(session, workspace, model) is { } uri) return Find(session, workspace, uri, depth + 1);
        if (VersionOf(session, workspace, model) is not var (name, version)) return null;
        var found = ModelTable.Versions(session, workspace, $"and v.name = {name} and v.version = {version}").FirstOrDefault();
        return found is null ? null : found.Package is not null ? new(found.Files.ToDictionary(), StringComparer.Ordinal) : Find(session, workspace, found.Storage ?? found.Source, depth + 1);
    }

    /// <summary>Where the packages of Takt's own versions are seen by clients, by the digits of their id.</summary>
    public const string PackagesFolder = "takt/packages/";

    /// <summary>Files of a package that a version of this workspace has.</summary>
    public static SortedDictionary<string, string>? OfPackage(SqlSession session, Workspace workspace, string hex) =>
        Digest.TryParse("sha256:" + hex, out var package) && session.First($"select v.name, v.version from model_version v where v.workspace = {workspace} and v.package = {package} limit 1",
            row => Tuple.Create(row.Text(0), row.Number(1))) is var (name, version)
            ? new(ModelTable.Versions(session, workspace, $"and v.name = {name} and v.version = {version}")[0].Files.ToDictionary(), StringComparer.Ordinal) : null;

    /// <summary>Where a logged model's files are; null: it is none.</summary>
    public static string? LoggedModelUri(SqlSession session, Workspace workspace, string model) => !model.StartsWith("m-", StringComparison.Ordinal) ? null
        : session.Text($"select l.artifact_uri from logged_model l join experiment e on e.id = l.experiment where l.id = {model} and l.deleted = 0 and e.workspace = {workspace}");

    /// <summary><c>NAME/7</c>, <c>NAME@alias</c>, <c>NAME/Production</c>, <c>NAME/latest</c>.</summary>
    public static (string Name, long Version)? VersionOf(SqlSession session, Workspace workspace, string reference)
    {
        if (reference.LastIndexOf('@') is var at and > 0)
            return session.Number($"select version from model_alias where workspace = {workspace} and name = {reference[..at]} and alias = {reference[(at + 1)..]}") is { } aliased ? (reference[..at], aliased) : null;
        if (reference.LastIndexOf('/') is not (> 0 and var slash)) return null;
        var (name, which) = (reference[..slash], reference[(slash + 1)..]);
        if (long.TryParse(which, out var number)) return (name, number);
        var newest = which.Equals(ModelAlias.Latest, StringComparison.OrdinalIgnoreCase)
            ? session.Number($"select max(version) from model_version where workspace = {workspace} and name = {name}")
            : session.Number($"select max(version) from model_version where workspace = {workspace} and name = {name} and lower(stage) = {which.ToLowerInvariant()}");
        return newest is { } found ? (name, found) : null;
    }

    static SortedDictionary<string, string>? Below(SqlSession session, string? folder)
    {
        if (folder is null) return null;
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in ArtifactFiles.Below(session, folder)) files[file.Path] = file.Digest.ToString();
        return files.Count == 0 ? null : files;
    }

    static bool Safe(string path) => path.Length > 0 && !path.Split('/').Any(part => part is "" or "." or "..");
}
