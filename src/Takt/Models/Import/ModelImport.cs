using Takt.Runs.Import;
using Takt.Storage;

namespace Takt.Models.Import;

/// <summary>Writes registered models of another tracking server with the numbers and times that they have there, each in one transaction. It raises no events: nothing has happened now.</summary>
/// <param name="source">As <see cref="RunImport"/>'s, as is the workspace.</param>
public sealed class ModelImport(Database database, TimeProvider time, string source, Workspace workspace = default)
{
    /// <param name="dry">Only tells what would be.</param>
    /// <param name="faults">Takes what could not be copied.</param>
    public Task<ImportTarget> Put(ImportedModel model, List<string> faults, bool dry = false)
    {
        if (dry) return Task.FromResult(database.Read(session => Place(session, model)));
        var told = new List<string>();
        return Write();

        async Task<ImportTarget> Write()
        {
            var target = await database.Write(session =>
            {
                told.Clear(); // the work may be done again
                return Put(session, model, told);
            });
            faults.AddRange(told);
            return target;
        }
    }

    ImportTarget Put(SqlSession session, ImportedModel model, List<string> faults)
    {
        var place = Place(session, model);
        var name = place.Name;
        session.Execute($"""
            insert into model(workspace, name, description, created, updated) values({workspace}, {name}, {model.Description}, {model.Created}, {model.Updated})
            on conflict(workspace, name) do update set description = excluded.description, updated = excluded.updated
            """);
        foreach (var (key, value) in model.Tags)
            session.Execute($"insert into model_tag(workspace, name, key, value) values({workspace}, {name}, {key}, {value}) on conflict(workspace, name, key) do update set value = excluded.value");
        foreach (var version in model.Versions.OrderBy(v => v.Version))
        {
            var there = session.Number($"select created from model_version where workspace = {workspace} and name = {name} and version = {version.Version}");
            if (there is { } other && other != version.CreatedAt.ToUnixTimeMilliseconds())
            {
                faults.Add($"{name}@{version.Version} is another version here, registered since the first import; the source's is not copied");
                continue;
            }
            var address = Moved(session, version, model.Name, name);
            if (there is null)
                session.Execute($"""
                    insert into model_version(workspace, name, version, run, source, status, stage, description, user_id, package, package_files,
                                              code_commit, dataset_commits, params, metrics, created, updated)
                    values({workspace}, {name}, {version.Version}, {(version.Run.Length == 0 ? null : version.Run)}, {address}, {version.Status}, {version.Stage}, {version.Description}, {""}, null, {"{}"},
                           null, {"[]"}, {"{}"}, {"{}"}, {version.CreatedAt}, {version.UpdatedAt})
                    """);
            else
                session.Execute($"""
                    update model_version set status = {version.Status}, stage = {version.Stage}, description = {version.Description}, updated = {version.UpdatedAt}
                    where workspace = {workspace} and name = {name} and version = {version.Version}
                    """);
            foreach (var (key, value) in version.Tags)
                session.Execute($"""
                    insert into model_version_tag(workspace, name, version, key, value) values({workspace}, {name}, {version.Version}, {key}, {value})
                    on conflict(workspace, name, version, key) do update set value = excluded.value
                    """);
        }
        foreach (var (alias, version) in model.Aliases)
            session.Execute($"insert into model_alias(workspace, name, alias, version) values({workspace}, {name}, {alias}, {version}) on conflict do nothing"); // one that was moved here since stays
        ImportTable.Put(session, source, "model", model.Name, name, "", time.GetUtcNow());
        return place;
    }

    ImportTarget Place(SqlSession session, ImportedModel model)
    {
        if (ImportTable.Find(session, source, "model", model.Name) is { } known && Exists(session, known.Target)) return new ImportTarget(known.Target, known.Target, false);
        if (session.Number($"select created from model where workspace = {workspace} and name = {model.Name}") is { } created && created == model.Created.ToUnixTimeMilliseconds())
            return new ImportTarget(model.Name, model.Name, false);
        var free = ImportTable.FreeName(model.Name, n => Exists(session, n));
        return new ImportTarget(free, free, true);
    }

    bool Exists(SqlSession session, string name) => session.Number($"select count(*) from model where workspace = {workspace} and name = {name}") > 0;

    /// <summary>The address of the version's files, when it lies in a run's or a logged model's artifacts, as it is here; a copy's, when its model is called otherwise here.</summary>
    static string Moved(SqlSession session, RegisteredVersion version, string there, string here)
    {
        var address = version.Source;
        if (version.Run.Length > 0 && Below($"/{version.Run}/artifacts") is { } inRun && session.Text($"select artifact_uri from run where id = {version.Run}") is { } run) return run + inRun;
        var at = address.IndexOf("/models/m-", StringComparison.Ordinal);
        if (at >= 0 && address.IndexOf("/artifacts", at, StringComparison.Ordinal) is var end and > 0 && session.Text($"select artifact_uri from logged_model where id = {address[(at + 8)..end]}") is { } logged)
            return logged + address[(end + 10)..];
        var prefix = "models:/" + there + "/";
        return address.StartsWith(prefix, StringComparison.Ordinal) ? "models:/" + here + "/" + address[prefix.Length..] : address;

        string? Below(string folder) => address.IndexOf(folder, StringComparison.Ordinal) is var found and >= 0 ? address[(found + folder.Length)..] : null;
    }
}
