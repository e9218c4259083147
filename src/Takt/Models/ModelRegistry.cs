using System.Text;
using System.Text.RegularExpressions;
using Takt.Storage;

namespace Takt.Models;

/// <summary>Registered models, their versions and aliases. A version never changes; an alias is moved, and every move is an event.</summary>
/// <param name="cache">A folder for packages that somebody wants as files.</param>
public sealed partial class ModelRegistry(Database database, IBlobStore blobs, IReadOnlyList<IModelRuntime> runtimes, TimeProvider time, string cache)
{
    /// <summary>Registering the same package from the same run again gives the same version.</summary>
    /// <exception cref="TaktException">Invalid: the name, or the package.</exception>
    public async Task<ModelVersion> Register(RegisterModel model, CancellationToken cancel = default)
    {
        if (!ModelName().IsMatch(model.Name)) throw TaktException.Invalid($"'{model.Name}' is no model name: letters, digits, _ . and -, 256 at most, and a letter or digit first");
        _ = ModelPackage.Open(model.Folder);
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(model.Folder, "*", SearchOption.AllDirectories))
        {
            await using var content = File.OpenRead(file);
            files[Path.GetRelativePath(model.Folder, file).Replace('\\', '/')] = (await blobs.Put(content, cancel)).Id.ToString();
        }
        var package = Digest.Of(Encoding.UTF8.GetBytes(string.Join('\n', files.Select(f => $"{f.Value} {f.Key}"))));
        var version = await database.Write(session =>
            (int?)session.Number($"select version from model_version where workspace = {ModelTable.Workspace} and name = {model.Name} and package = {package}")
            ?? ModelTable.Insert(session, model, package, files, time.GetUtcNow()));
        return Resolve($"{model.Name}@{version}");
    }

    /// <param name="reference"><c>flights@champion</c>, <c>flights@7</c>, or <c>flights</c>: the newest.</param>
    /// <exception cref="TaktException">NotFound.</exception>
    public ModelVersion Resolve(string reference) => Find(reference)
        ?? throw TaktException.NotFound($"no model version '{reference}'; `takt models list` shows those that there are");

    public ModelVersion? Find(string reference)
    {
        var (name, which) = reference.LastIndexOf('@') is var at and > 0 ? (reference[..at], reference[(at + 1)..]) : (reference, "");
        return database.Read(session =>
        {
            var version = which.Length == 0 ? session.Number($"select max(version) from model_version where workspace = {ModelTable.Workspace} and name = {name}")
                : int.TryParse(which, out var number) ? number
                : session.Number($"select version from model_alias where workspace = {ModelTable.Workspace} and name = {name} and alias = {which}");
            return version is null ? null : ModelTable.Versions(session, $"and v.name = {name} and v.version = {version}").FirstOrDefault();
        });
    }

    /// <summary>The names of all models, in order.</summary>
    public IReadOnlyList<string> Names() => database.Read(session =>
        session.Query($"select name from model where workspace = {ModelTable.Workspace} order by name", row => row.Text(0)));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<ModelVersion> Versions(string name) => database.Read(session => ModelTable.Versions(session, $"and v.name = {name} order by v.version desc"));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<ModelEvent> History(string name, int limit = 100) => database.Read(session => session.Query(
        $"select name, version, kind, detail, time from model_event where workspace = {ModelTable.Workspace} and name = {name} order by id desc limit {limit}",
        row => new ModelEvent(row.Text(0), (int?)row.NumberOrNull(1), row.Text(2), row.Text(3), row.Time(4))));

    /// <exception cref="TaktException">NotFound: no such version. Invalid: the alias is a number, or not of letters, digits, _ and -.</exception>
    public async Task SetAlias(string name, string alias, int version) => await database.Write(session => SetAlias(session, name, alias, version));

    /// <summary>Within a transaction of the caller's, so that what the alias follows from and the alias are there together or not at all.</summary>
    /// <inheritdoc cref="SetAlias(string, string, int)"/>
    public void SetAlias(SqlSession session, string name, string alias, int version)
    {
        if (!IsAlias(alias)) throw TaktException.Invalid($"'{alias}' is no alias: letters, digits, _ and -, and no number");
        if (session.Number($"select count(*) from model_version where workspace = {ModelTable.Workspace} and name = {name} and version = {version}") == 0)
            throw TaktException.NotFound($"no model version '{name}@{version}'");
        var old = session.Number($"select version from model_alias where workspace = {ModelTable.Workspace} and name = {name} and alias = {alias}");
        if (old == version) return;
        session.Execute($"""
            insert into model_alias(workspace, name, alias, version) values({ModelTable.Workspace}, {name}, {alias}, {version})
            on conflict(workspace, name, alias) do update set version = excluded.version
            """);
        ModelTable.AddEvent(session, name, version, "alias.set", old is null ? alias : $"{alias} (was {old})", time.GetUtcNow());
    }

    public static bool IsAlias(string alias) => AliasName().IsMatch(alias) && !NumberLike().IsMatch(alias);

    public Task DeleteAlias(string name, string alias) => database.Write(session =>
    {
        if (session.Execute($"delete from model_alias where workspace = {ModelTable.Workspace} and name = {name} and alias = {alias}") > 0)
            ModelTable.AddEvent(session, name, null, "alias.deleted", alias, time.GetUtcNow());
    });

    /// <summary>A local, read-only folder with the version's package.</summary>
    /// <exception cref="TaktException">NotSupported: a version without a package. NotFound: the store has lost a file.</exception>
    public async Task<string> PackageFolder(ModelVersion version, CancellationToken cancel = default)
    {
        if (version.Package is not { } package) throw new TaktException(TaktError.NotSupported, $"{version.Reference} was registered by its address {version.Source} only; there is nothing to load");
        var folder = Path.Combine(cache, "models", package.Hex);
        if (Directory.Exists(folder)) return folder;
        var tmp = $"{folder}.{Guid.NewGuid():N}.tmp";
        foreach (var (file, digest) in version.Files)
        {
            var to = Path.Combine(tmp, file);
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

    /// <summary>The version in memory, ready to answer; the caller disposes it.</summary>
    public async Task<ILoadedModel> Load(ModelVersion version, CancellationToken cancel = default) => LoadFolder(await PackageFolder(version, cancel));

    /// <inheritdoc cref="Load"/>
    public ILoadedModel LoadFolder(string folder)
    {
        var package = ModelPackage.Open(folder);
        var runtime = runtimes.FirstOrDefault(r => r.Flavor == package.Flavor)
            ?? throw new TaktException(TaktError.NotSupported, $"{folder} is a {package.Flavor} model; this Takt runs {string.Join(", ", runtimes.Select(r => r.Flavor))}");
        return runtime.Load(folder);
    }

    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]{0,255}$")]
    private static partial Regex ModelName();

    [GeneratedRegex(@"^[\w-]{1,255}$")]
    private static partial Regex AliasName();

    [GeneratedRegex(@"^(v?\d+|latest)$")]
    private static partial Regex NumberLike();
}
