using System.Text.Json;
using Takt.Storage;

namespace Takt.Models;

/// <summary>The SQL of the registry.</summary>
static class ModelTable
{
    public const string Workspace = "default";

    public static List<ModelVersion> Versions(SqlSession session, Sql where) => session.Query($"""
        select v.name, v.version, v.run, v.code_commit, v.dataset_commits, v.params, v.metrics, v.created, v.package, v.package_files, v.source,
               (select string_agg(alias, ',') from (select alias from model_alias a where a.workspace = v.workspace and a.name = v.name and a.version = v.version order by alias) as names)
        from model_version v where v.workspace = {Workspace} {where}
        """, row => new ModelVersion(
            row.Text(0), (int)row.Number(1), row.TextOrNull(2) is { } run ? new RunId(run) : null, row.TextOrNull(3),
            JsonSerializer.Deserialize(row.Text(4), ModelsJson.Default.ListString)!,
            JsonSerializer.Deserialize(row.Text(5), ModelsJson.Default.DictionaryStringString)!,
            JsonSerializer.Deserialize(row.Text(6), ModelsJson.Default.DictionaryStringDouble)!,
            row.Time(7), row.TextOrNull(11)?.Split(',') ?? [], row.TextOrNull(8) is { } package ? Digest.Parse(package) : null,
            JsonSerializer.Deserialize(row.Text(9), ModelsJson.Default.DictionaryStringString)!, row.Text(10)));

    public static int Insert(SqlSession session, RegisterModel model, Digest package, IReadOnlyDictionary<string, string> files, DateTimeOffset now)
    {
        session.Execute($"""
            insert into model(workspace, name, description, created, updated) values({Workspace}, {model.Name}, {""}, {now}, {now})
            on conflict(workspace, name) do update set updated = excluded.updated
            """);
        var version = (int)(session.Number($"select max(version) from model_version where workspace = {Workspace} and name = {model.Name}") ?? 0) + 1;
        var source = $"models:/{model.Name}/{version}";
        session.Execute($"""
            insert into model_version(workspace, name, version, run, source, status, stage, description, user_id, package, package_files,
                                      code_commit, dataset_commits, params, metrics, created, updated)
            values({Workspace}, {model.Name}, {version}, {model.Run?.Value}, {source}, {"READY"}, {"None"}, {""}, {""}, {package},
                   {JsonSerializer.Serialize(files, ModelsJson.Default.IReadOnlyDictionaryStringString)}, {model.CodeCommit},
                   {JsonSerializer.Serialize(model.DatasetCommits, ModelsJson.Default.IReadOnlyListString)},
                   {JsonSerializer.Serialize(model.Params, ModelsJson.Default.IReadOnlyDictionaryStringString)},
                   {JsonSerializer.Serialize(model.Metrics, ModelsJson.Default.IReadOnlyDictionaryStringDouble)}, {now}, {now})
            """);
        AddEvent(session, model.Name, version, "version.created", package.ToString(), now);
        return version;
    }

    public static void AddEvent(SqlSession session, string name, int? version, string kind, string detail, DateTimeOffset now) => session.Execute($"""
        insert into model_event(id, workspace, name, version, kind, detail, actor, time)
        values({(session.Number($"select max(id) from model_event") ?? 0) + 1}, {Workspace}, {name}, {version}, {kind}, {detail}, {Environment.UserName}, {now})
        """);
}
