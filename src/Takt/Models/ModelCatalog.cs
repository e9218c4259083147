using System.Text.RegularExpressions;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Models;

/// <summary>
/// The registry as its clients change it: names, tags, descriptions, stages. The same rows as <see cref="ModelRegistry"/>: a version that a client registers
/// by its address is a version of Takt. Messages are those that MLflow's clients know.
/// </summary>
public sealed partial class ModelCatalog(Database database, TimeProvider time)
{
    /// <summary>Marks a prompt, which is kept as a model and shown only to who asks for prompts.</summary>
    public const string PromptTag = "mlflow.prompt.is_prompt";

    static readonly string[] Stages = ["None", "Staging", "Production", "Archived"];

    public Task<RegisteredModel> Create(string name, string description, IReadOnlyList<KeyValuePair<string, string>> tags) => database.Write(session =>
    {
        if (Exists(session, name)) throw TaktException.Conflict($"Registered Model (name={name}) already exists.");
        var now = time.GetUtcNow();
        session.Execute($"insert into model(workspace, name, description, created, updated) values({ModelTable.Workspace}, {name}, {description}, {now}, {now})");
        foreach (var (key, value) in tags) PutTag(session, name, key, value);
        ModelTable.AddEvent(session, name, null, "model.created", "", now);
        return Models(session, $"and m.name = {name}")[0];
    });

    /// <exception cref="TaktException">NotFound.</exception>
    public RegisteredModel Get(string name) => database.Read(session => Models(session, $"and m.name = {name}")).FirstOrDefault() ?? throw Unknown(name);

    public List<RegisteredModel> Search(string? filter, IReadOnlyList<string> orderBy, int offset, int limit) => database.Read(session =>
    {
        var clauses = FilterParser.Parse(filter);
        var where = clauses.ConvertAll(clause => (clause.Entity, clause.Key) switch
        {
            (null, "name") => SearchSql.TextTest("m.name", clause, session.Dialect),
            ("tag" or "tags", _) => Tagged("model_tag", "t.workspace = m.workspace and t.name = m.name", clause, session.Dialect),
            _ => throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. Valid keys are '{{'name'}}'"),
        });
        if (!clauses.Exists(c => c.Key == PromptTag))
            where.Add($"not exists(select 1 from model_tag t where t.workspace = m.workspace and t.name = m.name and t.key = {PromptTag} and t.value = {"true"})");
        return Models(session, $"{SearchSql.And(where)} order by {Order(orderBy, "m.name", "m.updated")} limit {limit} offset {offset}");
    });

    public Task<RegisteredModel> Describe(string name, string? description) => Change(name, session =>
    {
        if (description is not null) session.Execute($"update model set description = {description} where workspace = {ModelTable.Workspace} and name = {name}");
        return name;
    });

    public Task<RegisteredModel> Rename(string name, string to) => Change(name, session =>
    {
        if (Exists(session, to)) throw TaktException.Conflict($"Registered Model (name={to}) already exists.");
        foreach (var table in (string[])["model", "model_tag", "model_version", "model_version_tag", "model_alias", "model_event"])
            session.Execute($"update {Sql.Raw(table)} set name = {to} where workspace = {ModelTable.Workspace} and name = {name}");
        return to;
    });

    public Task Delete(string name) => database.Write(session =>
    {
        if (!Exists(session, name)) throw Unknown(name);
        foreach (var table in (string[])["model_alias", "model_version_tag", "model_version", "model_tag", "model"])
            session.Execute($"delete from {Sql.Raw(table)} where workspace = {ModelTable.Workspace} and name = {name}");
        ModelTable.AddEvent(session, name, null, "model.deleted", "", time.GetUtcNow());
    });

    public Task SetTag(string name, string key, string value) => Change(name, session =>
    {
        PutTag(session, name, key, value);
        return name;
    }, touch: false);

    public Task DeleteTag(string name, string key) => Change(name, session =>
    {
        session.Execute($"delete from model_tag where workspace = {ModelTable.Workspace} and name = {name} and key = {key}");
        return name;
    }, touch: false);

    public Task SetAlias(string name, string alias, long version)
    {
        if (NumberLike().IsMatch(alias) || alias.Equals("latest", StringComparison.OrdinalIgnoreCase)) throw TaktException.Invalid($"Version alias name '{alias}' is reserved.");
        if (!AliasName().IsMatch(alias)) throw TaktException.Invalid($"Invalid alias name: '{alias}'");
        return database.Write(session =>
        {
            _ = Find(session, name, version);
            session.Execute($"""
                insert into model_alias(workspace, name, alias, version) values({ModelTable.Workspace}, {name}, {alias}, {version})
                on conflict(workspace, name, alias) do update set version = excluded.version
                """);
            ModelTable.AddEvent(session, name, (int)version, "alias.set", alias, time.GetUtcNow());
        });
    }

    public RegisteredVersion OfAlias(string name, string alias) => database.Read(session =>
    {
        if (!Exists(session, name)) throw Unknown(name);
        var version = session.Number($"select version from model_alias where workspace = {ModelTable.Workspace} and name = {name} and alias = {alias}")
            ?? throw TaktException.Invalid($"Registered model alias {alias} not found.");
        return Find(session, name, version);
    });

    public Task<RegisteredVersion> Add(string name, string source, string? run, string description, IReadOnlyList<KeyValuePair<string, string>> tags) => database.Write(session =>
    {
        if (!Exists(session, name)) throw Unknown(name);
        var now = time.GetUtcNow();
        var version = (session.Number($"select max(version) from model_version where workspace = {ModelTable.Workspace} and name = {name}") ?? 0) + 1;
        session.Execute($"""
            insert into model_version(workspace, name, version, run, source, status, stage, description, user_id, package, package_files,
                                      code_commit, dataset_commits, params, metrics, created, updated)
            values({ModelTable.Workspace}, {name}, {version}, {run}, {source}, {"READY"}, {"None"}, {description}, {""}, null, {"{}"}, null, {"[]"}, {"{}"}, {"{}"}, {now}, {now})
            """);
        foreach (var (key, value) in tags) PutVersionTag(session, name, version, key, value);
        Touch(session, name);
        ModelTable.AddEvent(session, name, (int)version, "version.created", source, now);
        return Find(session, name, version);
    });

    /// <exception cref="TaktException">NotFound.</exception>
    public RegisteredVersion GetVersion(string name, long version) => database.Read(session => Find(session, name, version));

    public List<RegisteredVersion> SearchVersions(string? filter, IReadOnlyList<string> orderBy, int offset, int limit) => database.Read(session =>
    {
        var where = FilterParser.Parse(filter).ConvertAll(clause => (clause.Entity, clause.Key) switch
        {
            (null, "name") => SearchSql.TextTest("v.name", clause, session.Dialect),
            (null, "run_id") => SearchSql.TextTest("v.run", clause, session.Dialect, lists: true),
            (null, "source_path") => SearchSql.TextTest("v.source", clause, session.Dialect),
            ("tag" or "tags", _) => Tagged("model_version_tag", "t.workspace = v.workspace and t.name = v.name and t.version = v.version", clause, session.Dialect),
            _ => throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. Valid keys are '{{'name', 'run_id', 'source_path'}}'"),
        });
        return Versions(session, $"{SearchSql.And(where)} order by {(orderBy.Count == 0 ? Sql.Raw("v.updated desc, v.name, v.version desc") : Order(orderBy, "v.name", "v.updated"))} limit {limit} offset {offset}");
    });

    public Task<RegisteredVersion> DescribeVersion(string name, long version, string? description) => ChangeVersion(name, version, session =>
    {
        if (description is not null) session.Execute($"update model_version set description = {description} where workspace = {ModelTable.Workspace} and name = {name} and version = {version}");
    });

    public Task<RegisteredVersion> Move(string name, long version, string stage, bool archiveOthers)
    {
        var known = Stages.FirstOrDefault(s => s.Equals(stage, StringComparison.OrdinalIgnoreCase))
            ?? throw TaktException.Invalid($"Invalid Model Version stage: {stage}. Value must be one of None, Staging, Production, Archived.");
        return ChangeVersion(name, version, session =>
        {
            if (archiveOthers)
                session.Execute($"update model_version set stage = {"Archived"} where workspace = {ModelTable.Workspace} and name = {name} and stage = {known} and version <> {version}");
            session.Execute($"update model_version set stage = {known} where workspace = {ModelTable.Workspace} and name = {name} and version = {version}");
            ModelTable.AddEvent(session, name, (int)version, "stage.moved", known, time.GetUtcNow());
        });
    }

    public Task DeleteVersion(string name, long version) => database.Write(session =>
    {
        _ = Find(session, name, version);
        foreach (var table in (string[])["model_alias", "model_version_tag", "model_version"])
            session.Execute($"delete from {Sql.Raw(table)} where workspace = {ModelTable.Workspace} and name = {name} and version = {version}");
        Touch(session, name);
        ModelTable.AddEvent(session, name, (int)version, "version.deleted", "", time.GetUtcNow());
    });

    public Task SetVersionTag(string name, long version, string key, string value) => database.Write(session =>
    {
        _ = Find(session, name, version);
        PutVersionTag(session, name, version, key, value);
    });

    public Task DeleteVersionTag(string name, long version, string key) => database.Write(session =>
    {
        _ = Find(session, name, version);
        session.Execute($"delete from model_version_tag where workspace = {ModelTable.Workspace} and name = {name} and version = {version} and key = {key}");
    });

    Task<RegisteredModel> Change(string name, Func<SqlSession, string> change, bool touch = true) => database.Write(session =>
    {
        if (!Exists(session, name)) throw Unknown(name);
        var now = change(session);
        if (touch) Touch(session, now);
        return Models(session, $"and m.name = {now}")[0];
    });

    Task<RegisteredVersion> ChangeVersion(string name, long version, Action<SqlSession> change) => database.Write(session =>
    {
        _ = Find(session, name, version);
        change(session);
        session.Execute($"update model_version set updated = {time.GetUtcNow()} where workspace = {ModelTable.Workspace} and name = {name} and version = {version}");
        Touch(session, name);
        return Find(session, name, version);
    });

    void Touch(SqlSession session, string name) =>
        session.Execute($"update model set updated = {time.GetUtcNow()} where workspace = {ModelTable.Workspace} and name = {name}");

    static bool Exists(SqlSession session, string name) => session.Number($"select count(*) from model where workspace = {ModelTable.Workspace} and name = {name}") > 0;

    static RegisteredVersion Find(SqlSession session, string name, long version) =>
        Versions(session, $"and v.name = {name} and v.version = {version}").FirstOrDefault()
        ?? throw (Exists(session, name) ? TaktException.NotFound($"Model Version (name={name}, version={version}) not found") : Unknown(name));

    static void PutTag(SqlSession session, string name, string key, string value) => session.Execute($"""
        insert into model_tag(workspace, name, key, value) values({ModelTable.Workspace}, {name}, {key}, {value})
        on conflict(workspace, name, key) do update set value = excluded.value
        """);

    static void PutVersionTag(SqlSession session, string name, long version, string key, string value) => session.Execute($"""
        insert into model_version_tag(workspace, name, version, key, value) values({ModelTable.Workspace}, {name}, {version}, {key}, {value})
        on conflict(workspace, name, version, key) do update set value = excluded.value
        """);

    // who is asked for tag != x has also what has no such tag
    static Sql Tagged(string table, string link, FilterClause clause, SqlDialect dialect) => clause is { Operator: "!=", Quoted: true }
        ? (Sql)$"not exists(select 1 from {Sql.Raw(table)} t where {Sql.Raw(link)} and t.key = {clause.Key} and t.value = {clause.Values[0]})"
        : $"exists(select 1 from {Sql.Raw(table)} t where {Sql.Raw(link)} and t.key = {clause.Key} and {SearchSql.TextTest("t.value", clause, dialect)})";

    static Sql Order(IReadOnlyList<string> orderBy, string name, string updated)
    {
        var terms = orderBy.Select(text => SearchSql.OrderTerm(text) switch
        {
            (_, "name", var direction) => $"{name} {direction}",
            (_, "last_updated_timestamp" or "timestamp", var direction) => $"{updated} {direction}",
            (_, "version_number", var direction) when name == "v.name" => $"v.version {direction}",
            (_, "creation_timestamp", var direction) => $"{name[0]}.created {direction}",
            var (_, key, _) => throw TaktException.Invalid($"Invalid order by key '{key}' specified. Valid keys are name, timestamp, last_updated_timestamp, creation_timestamp, version_number"),
        }).ToList();
        terms.Add(name);
        return Sql.Raw(string.Join(", ", terms));
    }

    static List<RegisteredModel> Models(SqlSession session, Sql where) => session
        .Query($"select m.name, m.description, m.created, m.updated from model m where m.workspace = {ModelTable.Workspace} {where}",
            row => new RegisteredModel(row.Text(0), row.Text(1), row.Time(2), row.Time(3), [], [], []))
        .ConvertAll(m => m with
        {
            Tags = session.Query($"select key, value from model_tag where workspace = {ModelTable.Workspace} and name = {m.Name} order by key", Pair),
            Aliases = session.Query($"select alias, version from model_alias where workspace = {ModelTable.Workspace} and name = {m.Name} order by alias", row => KeyValuePair.Create(row.Text(0), row.Number(1))),
            Latest = Versions(session, $"""
                and v.name = {m.Name} and v.version = (select max(o.version) from model_version o where o.workspace = v.workspace and o.name = v.name and o.stage = v.stage)
                order by v.version
                """),
        });

    static List<RegisteredVersion> Versions(SqlSession session, Sql where) => session
        .Query($"select v.name, v.version, v.created, v.updated, v.stage, v.description, v.source, v.run, v.status from model_version v where v.workspace = {ModelTable.Workspace} {where}",
            row => new RegisteredVersion(row.Text(0), row.Number(1), row.Time(2), row.Time(3), row.Text(4), row.Text(5), row.Text(6), row.TextOrNull(7) ?? "", row.Text(8), [], []))
        .ConvertAll(v => v with
        {
            Tags = session.Query($"select key, value from model_version_tag where workspace = {ModelTable.Workspace} and name = {v.Name} and version = {v.Version} order by key", Pair),
            Aliases = session.Query($"select alias from model_alias where workspace = {ModelTable.Workspace} and name = {v.Name} and version = {v.Version} order by alias", row => row.Text(0)),
        });

    static KeyValuePair<string, string> Pair(SqlRow row) => new(row.Text(0), row.Text(1));

    static TaktException Unknown(string name) => TaktException.NotFound($"Registered Model with name={name} not found");

    [GeneratedRegex(@"^v?\d+$", RegexOptions.IgnoreCase)]
    private static partial Regex NumberLike();

    [GeneratedRegex(@"^[\w-]{1,255}$")]
    private static partial Regex AliasName();
}
