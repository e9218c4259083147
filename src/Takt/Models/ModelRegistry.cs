using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Takt.Storage;

namespace Takt.Models;

/// <summary>Registered models, their versions and aliases. A version never changes; an alias is moved, and every move is an event.</summary>
/// <param name="cache">A folder for packages that somebody wants as files.</param>
public sealed partial class ModelRegistry(Database database, IBlobStore blobs, IReadOnlyList<IModelRuntime> runtimes, TimeProvider time, string cache)
{
    /// <summary>
    /// A package that was made again from the same code and data is the version that it was, whichever run made it; from other code or data it is a
    /// version of its own, with its own lineage, even when the bytes are the same.
    /// </summary>
    /// <exception cref="TaktException">Invalid: the name, or the package.</exception>
    public async Task<ModelVersion> Register(RegisterModel model, Workspace workspace = default, CancellationToken cancel = default)
    {
        if (!ModelName().IsMatch(model.Name)) throw TaktException.Invalid($"'{model.Name}' is no model name: letters, digits, _ . and -, 256 at most, and a letter or digit first");
        _ = ModelPackage.Open(model.Folder);
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(model.Folder, "*", SearchOption.AllDirectories))
        {
            await using var content = File.OpenRead(file);
            files[Path.GetRelativePath(model.Folder, file).Replace('\\', '/')] = (await blobs.Put(content, cancel)).Id.ToString();
        }
        var package = PackageId(files);
        var version = await database.Write(session =>
            ModelTable.Versions(session, workspace, $"and v.name = {model.Name} and v.package = {package} order by v.version desc")
                .Find(v => v.CodeCommit == model.CodeCommit && v.DatasetCommits.SequenceEqual(model.DatasetCommits))?.Version
            ?? ModelTable.Insert(session, model, package, files, time.GetUtcNow(), workspace));
        return Resolve($"{model.Name}@{version}", workspace);
    }

    /// <param name="reference"><c>flights@champion</c>, <c>flights@7</c>, or <c>flights</c>: the newest.</param>
    /// <exception cref="TaktException">NotFound.</exception>
    public ModelVersion Resolve(string reference, Workspace workspace = default) => Find(reference, workspace)
        ?? throw TaktException.NotFound($"no model version '{reference}'{Instead(reference, workspace)}");

    /// <summary>What somebody who mistyped may have meant.</summary>
    string Instead(string reference, Workspace workspace)
    {
        const int Most = 8;
        var (name, which) = reference.LastIndexOf('@') is var at and > 0 ? (reference[..at], reference[(at + 1)..]) : (reference, "");
        var versions = Versions(name, workspace);
        if (versions.Count == 0) return Pipelines.Nearest.To(name, Names(workspace)) is { } near ? $"; did you mean the model '{near}'?" : "; `takt models list` shows those that there are";
        var aliases = versions.SelectMany(v => v.Aliases).ToList();
        return $"; {name} has {(versions.Count == 1 ? $"version {versions[0].Version}" : $"versions {versions[^1].Version} to {versions[0].Version}")}{(aliases.Count == 0 ? " and no alias" : $" and the alias{(aliases.Count == 1 ? "" : "es")} {string.Join(", ", aliases.Take(Most))}")}{Pipelines.Nearest.Hint(which, aliases)}";
    }

    public ModelVersion? Find(string reference, Workspace workspace = default)
    {
        var (name, which) = reference.LastIndexOf('@') is var at and > 0 ? (reference[..at], reference[(at + 1)..]) : (reference, "");
        return database.Read(session =>
        {
            var version = which.Length == 0 || which.Equals(ModelAlias.Latest, StringComparison.OrdinalIgnoreCase)
                ? session.Number($"select max(version) from model_version where workspace = {workspace} and name = {name}")
                : int.TryParse(which, out var number) ? number
                : session.Number($"select version from model_alias where workspace = {workspace} and name = {name} and alias = {which}");
            return version is null ? null : ModelTable.Versions(session, workspace, $"and v.name = {name} and v.version = {version}").FirstOrDefault();
        });
    }

    /// <summary>The names of all models, in order.</summary>
    public IReadOnlyList<string> Names(Workspace workspace = default) => database.Read(session =>
        session.Query($"select name from model where workspace = {workspace} order by name", row => row.Text(0)));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<ModelVersion> Versions(string name, Workspace workspace = default) =>
        database.Read(session => ModelTable.Versions(session, workspace, $"and v.name = {name} order by v.version desc"));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<ModelEvent> History(string name, int limit = 100, Workspace workspace = default) => database.Read(session => session.Query(
        $"select name, version, kind, detail, time from model_event where workspace = {workspace} and name = {name} order by id desc limit {limit}",
        row => new ModelEvent(row.Text(0), (int?)row.NumberOrNull(1), row.Text(2), row.Text(3), row.Time(4))));

    /// <inheritdoc cref="SetAlias(SqlSession, string, string, int, Workspace)"/>
    public Task SetAlias(string name, string alias, int version, Workspace workspace = default) => database.Write(session => SetAlias(session, name, alias, version, workspace));

    /// <summary>Within a transaction of the caller's, so that what the alias follows from and the alias are there together or not at all.</summary>
    /// <exception cref="TaktException">NotFound: no such version. Invalid: no name for an alias.</exception>
    public void SetAlias(SqlSession session, string name, string alias, int version, Workspace workspace = default)
    {
        ModelAlias.CheckNew(alias);
        if (session.Number($"select count(*) from model_version where workspace = {workspace} and name = {name} and version = {version}") == 0)
            throw TaktException.NotFound($"no model version '{name}@{version}'");
        ModelTable.SetAlias(session, workspace, name, alias, version, time.GetUtcNow());
    }

    public static bool IsAlias(string alias) => ModelAlias.Is(alias);

    public Task DeleteAlias(string name, string alias, Workspace workspace = default) => database.Write(session => ModelTable.DeleteAlias(session, workspace, name, alias, time.GetUtcNow()));

    /// <summary>A local, read-only folder with the version's package. That of a version that a client registered by its address is found, and kept, by the first call.</summary>
    /// <exception cref="TaktException">NotSupported: its files are elsewhere. Invalid: they are no model. NotFound: the store has lost a file.</exception>
    public async Task<string> PackageFolder(ModelVersion version, CancellationToken cancel = default)
    {
        if (version.Package is null) version = await Pin(version);
        var folder = Path.Combine(cache, "models", version.Package!.Value.Hex);
        if (Directory.Exists(folder)) return folder;
        var tmp = $"{folder}.{Guid.NewGuid():N}.tmp";
        foreach (var (file, digest) in version.Files)
        {
            var to = Path.GetFullPath(Path.Combine(tmp, file));
            if (!to.StartsWith(tmp + Path.DirectorySeparatorChar, StringComparison.Ordinal)) throw TaktException.Invalid($"file '{file}' of {version.Reference} points out of its package");
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            Files.LinkOrCopy(await blobs.LocalFile(Digest.Parse(digest), cancel), to);
        }
        try
        {
            Directory.Move(tmp, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(tmp, recursive: true); // somebody else was first, with the same bytes
        }
        return folder;
    }

    /// <summary>A package's id: SHA-256 over its files' digests and names.</summary>
    internal static Digest PackageId(SortedDictionary<string, string> files) => Digest.Of(Encoding.UTF8.GetBytes(string.Join('\n', files.Select(f => $"{f.Value} {f.Key}"))));

    /// <summary>From now on the version is the files that its address leads to now: no later upload changes it.</summary>
    async Task<ModelVersion> Pin(ModelVersion version)
    {
        var at = version.Storage ?? version.Source;
        await database.Write(session =>
        {
            var files = SourceFiles.Find(session, version.Workspace, at)
                ?? throw new TaktException(TaktError.NotSupported, $"{version.Reference} was registered by the address {at}, which leads to no files on this server; log the model to this server and register that");
            if (!files.ContainsKey(ModelPackage.MlModelFile))
                throw TaktException.Invalid($"{version.Reference} was registered by the address {at}, which has no {ModelPackage.MlModelFile} file: it is no MLflow model");
            SetPackage(session, version.Workspace, version.Name, version.Version, files);
        });
        return Resolve(version.Reference, version.Workspace);
    }

    internal static void SetPackage(SqlSession session, Workspace workspace, string name, long version, SortedDictionary<string, string> files) => session.Execute($"""
        update model_version set package = {PackageId(files)}, package_files = {JsonSerializer.Serialize(files, ModelsJson.Default.SortedDictionaryStringString)}
        where workspace = {workspace} and name = {name} and version = {version} and package is null
        """);

    /// <summary>The version in memory, ready to answer; the caller disposes it.</summary>
    public async Task<ILoadedModel> Load(ModelVersion version, CancellationToken cancel = default, RuntimeSettings? settings = null) => LoadFolder(await PackageFolder(version, cancel), settings);

    /// <inheritdoc cref="Load"/>
    public ILoadedModel LoadFolder(string folder, RuntimeSettings? settings = null)
    {
        var package = ModelPackage.Open(folder);
        return RuntimeOf(package.Flavor, folder).Load(folder, settings ?? RuntimeSettings.Default);
    }

    /// <summary>The version in another flavor, as a new version of the same model with the same lineage; made only when both answer alike.</summary>
    /// <exception cref="TaktException">NotSupported, or Invalid: see <see cref="IModelRuntime.Convert"/>.</exception>
    public async Task<ModelVersion> Convert(ModelVersion version, string to, CancellationToken cancel = default)
    {
        var folder = await PackageFolder(version, cancel);
        var flavor = ModelPackage.Open(folder).Flavor;
        if (flavor == to) throw TaktException.Invalid($"{version.Reference} has the flavor {to} already");
        var target = Directory.CreateDirectory(Path.Combine(cache, "models", $"{Guid.NewGuid():N}.tmp")).FullName;
        try
        {
            var found = RuntimeOf(flavor, folder).Convert(folder, to, target);
            var about = new Dictionary<string, string>(version.Params) { ["converted.from"] = version.Reference, ["converted.to"] = to };
            foreach (var (name, value) in found) about["converted." + name] = value.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
            return await Register(new RegisterModel(version.Name, target, version.Run, version.CodeCommit, version.DatasetCommits, about, version.Metrics), version.Workspace, cancel);
        }
        finally
        {
            Directory.Delete(target, recursive: true);
        }
    }

    IModelRuntime RuntimeOf(string flavor, string folder) => runtimes.FirstOrDefault(r => r.Flavor == flavor)
        ?? throw new TaktException(TaktError.NotSupported, $"{folder} is a {flavor} model; this Takt runs {string.Join(", ", runtimes.Select(r => r.Flavor))}");

    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]{0,255}$")]
    private static partial Regex ModelName();
}
