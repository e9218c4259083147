using System.Text.Json;
using Takt.Storage;

namespace Takt.Models;

/// <summary>The SQL of the registry that both its faces share.</summary>
static class ModelTable
{
    /// <summary>The workspace of what pipelines and deployments make.</summary>
    public const string Workspace = Takt.Workspace.DefaultName;

    public static List<ModelVersion> Versions(SqlSession session, Takt.Workspace workspace, Sql where) => session.Query($"""
        select v.name, v.version, v.run, v.code_commit, v.dataset_commits, v.params, v.metrics, v.created, v.package, v.package_files, v.source,
               (select string_agg(alias, ',') from (select alias from model_alias a where a.workspace = v.workspace and a.name = v.name and a.version = v.version order by alias) as names),
               v.storage
        from model_version v where v.workspace = {workspace} {where}
        """, row => new ModelVersion(
            row.Text(0), (int)row.Number(1), row.TextOrNull(2) is { } run ? new RunId(run) : null, row.TextOrNull(3),
            JsonSerializer.Deserialize(row.Text(4), ModelsJson.Default.ListString)!,
            JsonSerializer.Deserialize(row.Text(5), ModelsJson.Default.DictionaryStringString)!,
            JsonSerializer.Deserialize(row.Text(6), ModelsJson.Default.DictionaryStringDouble)!,
            row.Time(7), row.TextOrNull(11)?.Split(',') ?? [], row.TextOrNull(8) is { } package ? Digest.Parse(package) : null,
            JsonSerializer.Deserialize(row.Text(9), ModelsJson.Default.DictionaryStringString)!, row.Text(10))
    {
        Workspace = workspace,
        Storage = row.TextOrNull(12),
    });

    public static int Insert(SqlSession session, RegisterModel model, Digest package, IReadOnlyDictionary<string, string> files, DateTimeOffset now, Takt.Workspace workspace = default)
    {
        session.Execute($"""
            insert into model(workspace, name, description, created, updated) values({workspace}, {model.Name}, {""}, {now}, {now})
            on conflict(workspace, name) do update set updated = excluded.updated
            """);
        var version = NextVersion(session, workspace, model.Name);
        var source = $"models:/{model.Name}/{version}";
        session.Execute($"""
            insert into model_version(workspace, name, version, run, source, status, stage, description, user_id, package, package_files,
                                      code_commit, dataset_commits, params, metrics, created, updated)
            values({workspace}, {model.Name}, {version}, {model.Run?.Value}, {source}, {"READY"}, {"None"}, {""}, {""}, {package},
                   {JsonSerializer.Serialize(files, ModelsJson.Default.IReadOnlyDictionaryStringString)}, {model.CodeCommit},
                   {JsonSerializer.Serialize(model.DatasetCommits, ModelsJson.Default.IReadOnlyListString)},
                   {JsonSerializer.Serialize(model.Params, ModelsJson.Default.IReadOnlyDictionaryStringString)},
                   {JsonSerializer.Serialize(model.Metrics, ModelsJson.Default.IReadOnlyDictionaryStringDouble)}, {now}, {now})
            """);
        AddEvent(session, workspace, model.Name, version, "version.created", package.ToString(), now);
        Webhooks.Tell(session, workspace, WebhookEvent.VersionCreated, now, json =>
        {
            json.WriteString("name", model.Name);
            json.WriteString("version", version.ToString());
            json.WriteString("source", source);
            json.WriteString("run_id", model.Run?.Value);
            json.WriteStartObject("tags");
            json.WriteEndObject();
            json.WriteNull("description");
        });
        return version;
    }

    /// <summary>Counts up, and never gives the number of a version that was deleted.</summary>
    public static int NextVersion(SqlSession session, Takt.Workspace workspace, string name)
    {
        // an import brings versions with their numbers
        var imported = session.Number($"select max(version) from model_version where workspace = {workspace} and name = {name}") ?? 0;
        session.Execute($"update model set last_version = case when last_version < {imported} then {imported} else last_version end + 1 where workspace = {workspace} and name = {name}");
        return (int)session.Number($"select last_version from model where workspace = {workspace} and name = {name}")!.Value;
    }

    /// <summary>Moves an alias to a version that is there.</summary>
    public static void SetAlias(SqlSession session, Takt.Workspace workspace, string name, string alias, long version, DateTimeOffset now)
    {
        ModelAlias.CheckNew(alias);
        var old = session.Number($"select version from model_alias where workspace = {workspace} and name = {name} and alias = {alias}");
        if (old != version)
        {
            session.Execute($"""
                insert into model_alias(workspace, name, alias, version) values({workspace}, {name}, {alias}, {version})
                on conflict(workspace, name, alias) do update set version = excluded.version
                """);
            AddEvent(session, workspace, name, (int)version, "alias.set", old is null ? alias : $"{alias} (was {old})", now);
        }
        Webhooks.Tell(session, workspace, IsPrompt(session, workspace, name) ? WebhookEvent.PromptAliasCreated : WebhookEvent.AliasCreated, now, json =>
        {
            json.WriteString("name", name);
            json.WriteString("alias", alias);
            json.WriteString("version", version.ToString());
        });
    }

    /// <summary>Nothing happens when there is no such alias.</summary>
    public static void DeleteAlias(SqlSession session, Takt.Workspace workspace, string name, string alias, DateTimeOffset now)
    {
        if (session.Execute($"delete from model_alias where workspace = {workspace} and name = {name} and alias = {alias}") > 0)
            AddEvent(session, workspace, name, null, "alias.deleted", alias, now);
        Webhooks.Tell(session, workspace, IsPrompt(session, workspace, name) ? WebhookEvent.PromptAliasDeleted : WebhookEvent.AliasDeleted, now, json =>
        {
            json.WriteString("name", name);
            json.WriteString("alias", alias);
        });
    }

    public static bool IsPrompt(SqlSession session, Takt.Workspace workspace, string name) =>
        session.Text($"select value from model_tag where workspace = {workspace} and name = {name} and key = {ModelCatalog.PromptTag}")?.Equals("true", StringComparison.OrdinalIgnoreCase) == true;

    public static void AddEvent(SqlSession session, Takt.Workspace workspace, string name, int? version, string kind, string detail, DateTimeOffset now) => session.Execute($"""
        insert into model_event(id, workspace, name, version, kind, detail, actor, time)
        values({(session.Number($"select max(id) from model_event") ?? 0) + 1}, {workspace}, {name}, {version}, {kind}, {detail}, {Environment.UserName}, {now})
        """);
}
