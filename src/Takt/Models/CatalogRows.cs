using Takt.Runs;
using Takt.Storage;

namespace Takt.Models;

/// <summary>The registry's rows as its clients see them, and what is said of those that are not there.</summary>
static class CatalogRows
{
    public static bool Exists(SqlSession session, Workspace workspace, string name) => session.Number($"select 1 from model where workspace = {workspace} and name = {name}") is not null;

    public static RegisteredVersion Find(SqlSession session, Workspace workspace, string name, long version) =>
        ReadVersions(session, workspace, $"and v.name = {name} and v.version = {version}").FirstOrDefault()
        ?? throw TaktException.NotFound($"Model Version (name={name}, version={version}) not found");

    public static List<RegisteredModel> ReadModels(SqlSession session, Workspace workspace, Sql where) => session
        .Query($"select m.name, m.description, m.created, m.updated from model m where m.workspace = {workspace} {where}",
            row => new RegisteredModel(row.Text(0), row.Text(1), row.Time(2), row.Time(3), [], [], []))
        .ConvertAll(m => m with
        {
            Tags = session.Query($"select key, value from model_tag where workspace = {workspace} and name = {m.Name} order by key", Pair),
            Aliases = session.Query($"select alias, version from model_alias where workspace = {workspace} and name = {m.Name} order by alias", row => KeyValuePair.Create(row.Text(0), row.Number(1))),
            Latest = ReadVersions(session, workspace, $"""
                and v.name = {m.Name} and v.version in (select max(o.version) from model_version o where o.workspace = {workspace} and o.name = {m.Name} group by o.stage) order by v.version
                """),
        });

    public static List<RegisteredVersion> ReadVersions(SqlSession session, Workspace workspace, Sql where) => session
        .Query($"select v.name, v.version, v.created, v.updated, v.stage, v.description, v.source, v.run, v.status, v.run_link from model_version v where v.workspace = {workspace} {where}",
            row => new RegisteredVersion(row.Text(0), row.Number(1), row.Time(2), row.Time(3), row.Text(4), row.Text(5), row.Text(6), row.TextOrNull(7) ?? "", row.Text(8), [], []) { RunLink = row.Text(9) })
        .ConvertAll(v => v with
        {
            Tags = session.Query($"select key, value from model_version_tag where workspace = {workspace} and name = {v.Name} and version = {v.Version} order by key", Pair),
            Aliases = session.Query($"select alias from model_alias where workspace = {workspace} and name = {v.Name} and version = {v.Version} order by alias", row => row.Text(0)),
        });

    static KeyValuePair<string, string> Pair(SqlRow row) => new(row.Text(0), row.Text(1));

    public static void PutTag(SqlSession session, Workspace workspace, string name, string key, string value) => session.Execute($"""
        insert into model_tag(workspace, name, key, value) values({workspace}, {name}, {key}, {value})
        on conflict(workspace, name, key) do update set value = excluded.value
        """);

    public static void PutVersionTag(SqlSession session, Workspace workspace, string name, long version, string key, string value) => session.Execute($"""
        insert into model_version_tag(workspace, name, version, key, value) values({workspace}, {name}, {version}, {key}, {value})
        on conflict(workspace, name, version, key) do update set value = excluded.value
        """);

    public static TaktException Taken(SqlSession session, Workspace workspace, string name, bool prompt)
    {
        static string Kind(bool prompt) => prompt ? "Prompt" : "Registered Model";
        var there = ModelTable.IsPrompt(session, workspace, name);
        return TaktException.Conflict(there == prompt ? $"{Kind(prompt)} (name={name}) already exists."
            : $"Tried to create a {Kind(prompt).ToLowerInvariant()} with name '{name}', but the name is already taken by a {Kind(there).ToLowerInvariant()}. MLflow does not allow creating a model and a prompt with the same name.");
    }

    public static TaktException Unknown(string name) => TaktException.NotFound($"Registered Model with name={name} not found");
}
