using System.Globalization;
using System.Text.Json;
using Takt.Runs;
using Takt.Storage;
using static Takt.Models.CatalogRows;
using static Takt.Models.CatalogSearch;

namespace Takt.Models;

/// <summary>
/// The registry as its clients change it: names, tags, descriptions, stages. The same rows as <see cref="ModelRegistry"/>: a version that a client registers
/// by its address is a version of Takt. Messages are those that MLflow's clients know. Each change queues what webhooks are told, in its transaction.
/// </summary>
public sealed class ModelCatalog(Database database, TimeProvider time, Workspace workspace = default)
{
    /// <summary>Marks a prompt, which is kept as a model and shown only to who asks for prompts.</summary>
    public const string PromptTag = "mlflow.prompt.is_prompt";

    const string PromptTextTag = "mlflow.prompt.text", PromptTypeTag = "_mlflow_prompt_type";
    static readonly string[] Stages = ["None", "Staging", "Production", "Archived"];
    static readonly string[] ActiveStages = ["Staging", "Production"];

    /// <summary>Called within the transaction that renames a model of <c>default</c>, so that what refers to it by name follows.</summary>
    public event Action<SqlSession, string, string>? Renaming;

    /// <summary>The same registry's part of another workspace.</summary>
    public ModelCatalog In(Workspace other) => other == workspace ? this : new(database, time, other);

    /// <exception cref="TaktException">Conflict.</exception>
    public Task<RegisteredModel> Create(string name, string description, IReadOnlyList<KeyValuePair<string, string>> tags) => database.Write(session =>
    {
        var prompt = IsPrompt(tags);
        if (Exists(session, workspace, name)) throw Taken(session, workspace, name, prompt);
        var now = time.GetUtcNow();
        session.Execute($"insert into model(workspace, name, description, created, updated) values({workspace}, {name}, {description}, {now}, {now})");
        foreach (var (key, value) in tags) PutTag(session, workspace, name, key, value);
        ModelTable.AddEvent(session, workspace, name, null, "model.created", "", now);
        Webhooks.Tell(session, workspace, prompt ? WebhookEvent.PromptCreated : WebhookEvent.ModelCreated, now, json =>
        {
            json.WriteString("name", name);
            Write(json, tags, prompt);
            json.WriteString("description", description);
        });
        return ReadModels(session, workspace, $"and m.name = {name}")[0];
    });

    /// <exception cref="TaktException">NotFound.</exception>
    public RegisteredModel Get(string name) => database.Read(session => ReadModels(session, workspace, $"and m.name = {name}")).FirstOrDefault() ?? throw Unknown(name);

    /// <param name="token">Where the page before ended; null: from the start.</param>
    /// <exception cref="TaktException">Invalid: filter, order or token.</exception>
    public Page<RegisteredModel> Search(string? filter, IReadOnlyList<string> orderBy, int limit, string? token) => database.Read(session =>
    {
        var clauses = FilterParser.Parse(filter);
        var prompts = TakePromptClauses(clauses);
        var where = clauses.ConvertAll(clause => (Entity(clause), clause.Key) switch
        {
            ("attribute", "name") => TextTest("m.name", clause, session.Dialect),
            ("tag", _) => Tagged("model_tag", "t.workspace = m.workspace and t.name = m.name", clause, session.Dialect),
            _ => throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. Valid keys are '{{'name'}}'"),
        });
        where.Add(OfPrompts("model_tag", "m", prompts));
        var keys = Order(orderBy, key => key switch
        {
            "name" => ("m.name", PageOrder.Kind.Text),
            "timestamp" or "last_updated_timestamp" => ("m.updated", PageOrder.Kind.Number),
            _ => throw TaktException.Invalid($"Invalid order by key '{key}' specified. Valid keys are '{{'name', 'timestamp'}}'"),
        }, [], ("m.name", PageOrder.Kind.Text, false));
        var of = $"registered models {workspace} {filter} {string.Join(", ", orderBy)}";
        Sql after = keys.Place(of, token) is { } place ? keys.After(place) : Sql.Raw("");
        var rows = session.Query($"select m.name, {keys.Columns} from model m where m.workspace = {workspace} {SearchSql.And(where)} {after} order by {keys.OrderBy} limit {limit + 1}",
            row => (Name: row.Text(0), Keys: keys.Read(row, 1)));
        return new Page<RegisteredModel>([.. rows.Take(limit).Select(row => ReadModels(session, workspace, $"and m.name = {row.Name}")[0])],
            rows.Count > limit ? PageOrder.Token(of, rows[limit - 1].Keys) : null);
    });

    public Task<RegisteredModel> Describe(string name, string description) => Change(name, session =>
    {
        session.Execute($"update model set description = {description} where workspace = {workspace} and name = {name}");
        Touch(session, name);
        return name;
    });

    /// <summary>Versions, aliases, tags, history and deployments follow.</summary>
    public Task<RegisteredModel> Rename(string name, string to) => Change(name, session =>
    {
        if (to == name) return name;
        if (Exists(session, workspace, to)) throw Taken(session, workspace, to, ModelTable.IsPrompt(session, workspace, name));
        foreach (var table in (string[])["model", "model_tag", "model_version", "model_version_tag", "model_alias", "model_event"])
            session.Execute($"update {Sql.Raw(table)} set name = {to} where workspace = {workspace} and name = {name}");
        // a version of Takt's own is its own source
        foreach (var version in session.Query($"select version from model_version where workspace = {workspace} and name = {to}", row => row.Number(0)))
        {
            var (old, now) = ($"models:/{name}/{version}", $"models:/{to}/{version}");
            session.Execute($"update model_version set source = {now} where workspace = {workspace} and source = {old}");
        }
        session.Execute($"update model_version set updated = {time.GetUtcNow()} where workspace = {workspace} and name = {to}");
        Touch(session, to);
        ModelTable.AddEvent(session, workspace, to, null, "model.renamed", $"was {name}", time.GetUtcNow());
        if (workspace.IsDefault) Renaming?.Invoke(session, name, to);
        return to;
    });

    public Task Delete(string name) => database.Write(session =>
    {
        if (!Exists(session, workspace, name)) throw Unknown(name);
        foreach (var table in (string[])["model_alias", "model_version_tag", "model_version", "model_tag", "model"])
            session.Execute($"delete from {Sql.Raw(table)} where workspace = {workspace} and name = {name}");
        ModelTable.AddEvent(session, workspace, name, null, "model.deleted", "", time.GetUtcNow());
    });

    public Task SetTag(string name, string key, string value) => Change(name, session =>
    {
        PutTag(session, workspace, name, key, value);
        if (ModelTable.IsPrompt(session, workspace, name))
            Webhooks.Tell(session, workspace, WebhookEvent.PromptTagSet, time.GetUtcNow(), json => Write(json, name, null, key, value));
        return name;
    });

    public Task DeleteTag(string name, string key) => Change(name, session =>
    {
        session.Execute($"delete from model_tag where workspace = {workspace} and name = {name} and key = {key}");
        if (ModelTable.IsPrompt(session, workspace, name))
            Webhooks.Tell(session, workspace, WebhookEvent.PromptTagDeleted, time.GetUtcNow(), json => Write(json, name, null, key, null));
        return name;
    });

    public async Task SetAlias(string name, string alias, long version)
    {
        ModelAlias.CheckNew(alias);
        await database.Write(session =>
        {
            _ = Find(session, workspace, name, version);
            ModelTable.SetAlias(session, workspace, name, alias, version, time.GetUtcNow());
        });
    }

    public async Task DeleteAlias(string name, string alias)
    {
        ModelAlias.Check(alias);
        await database.Write(session =>
        {
            if (!Exists(session, workspace, name)) throw Unknown(name);
            ModelTable.DeleteAlias(session, workspace, name, alias, time.GetUtcNow());
        });
    }

    public RegisteredVersion OfAlias(string name, string alias)
    {
        ModelAlias.Check(alias);
        return database.Read(session =>
        {
            if (!Exists(session, workspace, name)) throw Unknown(name);
            if (alias.Equals(ModelAlias.Latest, StringComparison.OrdinalIgnoreCase))
                return ReadVersions(session, workspace, $"and v.name = {name} order by v.version desc limit 1").FirstOrDefault() ?? throw TaktException.NotFound($"Latest version not found for model {name}.");
            var version = session.Number($"select version from model_alias where workspace = {workspace} and name = {name} and alias = {alias}")
                ?? throw TaktException.Invalid($"Registered model alias {alias} not found.");
            return Find(session, workspace, name, version);
        });
    }

    /// <summary>Its params, metrics and code commit are those of its run, when that is on this server; its files too, when they are there already.</summary>
    /// <exception cref="TaktException">NotFound: no such model. Invalid: the source names a model that is not there.</exception>
    public Task<RegisteredVersion> Add(NewRegisteredVersion made) => database.Write(session =>
    {
        var (name, now) = (made.Name, time.GetUtcNow());
        if (!Exists(session, workspace, name)) throw Unknown(name);
        var prompt = IsPrompt(made.Tags);
        var (storage, run) = (Storage(session, workspace, made.Source), made.Run);
        if (run is null && (made.LoggedModel ?? LoggedModelIn(made.Source)) is { } logged)
            run = session.Text($"select run from logged_model where id = {logged}");
        var lineage = RunLineage.Of(session, workspace, run);
        var version = ModelTable.NextVersion(session, workspace, name);
        session.Execute($"""
            insert into model_version(workspace, name, version, run, source, storage, run_link, status, stage, description, user_id, package, package_files,
                                      code_commit, dataset_commits, params, metrics, created, updated)
            values({workspace}, {name}, {version}, {run}, {made.Source}, {storage}, {made.RunLink}, {"READY"}, {"None"}, {made.Description}, {""}, null, {"{}"}, {lineage.CodeCommit},
                   {"[]"}, {JsonSerializer.Serialize(lineage.Params, ModelsJson.Default.DictionaryStringString)}, {JsonSerializer.Serialize(lineage.Metrics, ModelsJson.Default.DictionaryStringDouble)},
                   {now}, {now})
            """);
        if (!prompt && SourceFiles.Find(session, workspace, storage ?? made.Source) is { } files && files.ContainsKey(ModelPackage.MlModelFile))
            ModelRegistry.SetPackage(session, workspace, name, version, files);
        foreach (var (key, value) in made.Tags) PutVersionTag(session, workspace, name, version, key, value);
        if (made.LoggedModel is not null) LoggedModels.AddVersion(session, made.LoggedModel, name, version);
        Touch(session, name);
        ModelTable.AddEvent(session, workspace, name, version, "version.created", made.Source, now);
        Webhooks.Tell(session, workspace, prompt ? WebhookEvent.PromptVersionCreated : WebhookEvent.VersionCreated, now, json =>
        {
            json.WriteString("name", name);
            json.WriteString("version", version.ToString(CultureInfo.InvariantCulture));
            if (prompt) json.WriteString("template", made.Tags.LastOrDefault(t => t.Key == PromptTextTag).Value);
            else
            {
                json.WriteString("source", made.Source);
                json.WriteString("run_id", made.Run);
            }
            Write(json, prompt ? [.. made.Tags.Where(t => t.Key != PromptTextTag)] : made.Tags, prompt);
            json.WriteString("description", made.Description.Length == 0 ? null : made.Description);
        });
        return Find(session, workspace, name, version);
    });

    /// <exception cref="TaktException">NotFound.</exception>
    public RegisteredVersion GetVersion(string name, long version) => database.Read(session => Find(session, workspace, name, version));

    /// <summary>Where a client fetches the files from.</summary>
    public string DownloadUri(string name, long version) => database.Read(session =>
    {
        var found = Find(session, workspace, name, version);
        if (session.Text($"select storage from model_version where workspace = {workspace} and name = {name} and version = {version}") is { } storage) return storage;
        return found.Source == $"models:/{name}/{version}" && session.Text($"select package from model_version where workspace = {workspace} and name = {name} and version = {version}") is { } package
            ? $"{ArtifactFiles.Scheme}/{SourceFiles.PackagesFolder}{Digest.Parse(package).Hex}" : found.Source;
    });

    /// <summary>The files of a package, as clients see it below <see cref="SourceFiles.PackagesFolder"/>; null: no version of this workspace has it.</summary>
    public IReadOnlyDictionary<string, string>? PackageFiles(string hex) => database.Read(session => SourceFiles.OfPackage(session, workspace, hex));

    /// <inheritdoc cref="Search"/>
    public Page<RegisteredVersion> SearchVersions(string? filter, IReadOnlyList<string> orderBy, int limit, string? token) => database.Read(session =>
    {
        var clauses = FilterParser.Parse(filter);
        var prompts = TakePromptClauses(clauses);
        var where = clauses.ConvertAll(clause => (Entity(clause), clause.Key) switch
        {
            ("attribute", "name") => VersionText("v.name", clause, session.Dialect),
            ("attribute", "run_id") => VersionText("coalesce(v.run, '')", clause, session.Dialect, lists: true),
            ("attribute", "source_path") => VersionText("v.source", clause, session.Dialect),
            ("attribute", "version_number") => VersionTest(clause),
            ("tag", _) => Tagged("model_version_tag", "t.workspace = v.workspace and t.name = v.name and t.version = v.version", clause, session.Dialect),
            _ => throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. Valid keys are '{{'name', 'version_number', 'run_id', 'source_path'}}'"),
        });
        where.Add(OfPrompts("model_version_tag", "v", prompts));
        var keys = Order(orderBy, key => key switch
        {
            "name" => ("v.name", PageOrder.Kind.Text),
            "version_number" => ("v.version", PageOrder.Kind.Number),
            "creation_timestamp" => ("v.created", PageOrder.Kind.Number),
            "last_updated_timestamp" => ("v.updated", PageOrder.Kind.Number),
            _ => throw TaktException.Invalid($"Invalid attribute key '{key}' specified. Valid keys are '{{'name', 'version_number', 'creation_timestamp', 'last_updated_timestamp'}}'"),
        }, [("v.updated", PageOrder.Kind.Number, true)], ("v.name", PageOrder.Kind.Text, false), ("v.version", PageOrder.Kind.Number, true));
        var of = $"model versions {workspace} {filter} {string.Join(", ", orderBy)}";
        Sql after = keys.Place(of, token) is { } place ? keys.After(place) : Sql.Raw("");
        var rows = session.Query($"select v.name, v.version, {keys.Columns} from model_version v where v.workspace = {workspace} {SearchSql.And(where)} {after} order by {keys.OrderBy} limit {limit + 1}",
            row => (Name: row.Text(0), Version: row.Number(1), Keys: keys.Read(row, 2)));
        return new Page<RegisteredVersion>([.. rows.Take(limit).Select(row => Find(session, workspace, row.Name, row.Version))],
            rows.Count > limit ? PageOrder.Token(of, rows[limit - 1].Keys) : null);
    });

    public Task<RegisteredVersion> DescribeVersion(string name, long version, string description) => ChangeVersion(name, version, session =>
        session.Execute($"update model_version set description = {description} where workspace = {workspace} and name = {name} and version = {version}"));

    public async Task<RegisteredVersion> Move(string name, long version, string stage, bool archiveOthers)
    {
        var known = Stage(stage);
        if (archiveOthers && !ActiveStages.Contains(known))
            throw TaktException.Invalid($"Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. Valid stages are ['Staging', 'Production']");
        var now = time.GetUtcNow();
        return await ChangeVersion(name, version, session =>
        {
            if (archiveOthers)
                session.Execute($"update model_version set stage = {"Archived"}, updated = {now} where workspace = {workspace} and name = {name} and stage = {known} and version <> {version}");
            session.Execute($"update model_version set stage = {known} where workspace = {workspace} and name = {name} and version = {version}");
            Touch(session, name);
            ModelTable.AddEvent(session, workspace, name, (int)version, "stage.moved", known, now);
        }, now);
    }

    /// <summary>The newest version of each stage, or of those that are named.</summary>
    public IReadOnlyList<RegisteredVersion> Latest(string name, IReadOnlyList<string> stages)
    {
        var wanted = stages.Select(Stage).ToHashSet();
        return [.. Get(name).Latest.Where(v => wanted.Count == 0 || wanted.Contains(v.Stage))];
    }

    /// <summary>Its number is never given again.</summary>
    public Task DeleteVersion(string name, long version) => database.Write(session =>
    {
        _ = Find(session, workspace, name, version);
        session.Execute($"update model set last_version = {version} where workspace = {workspace} and name = {name} and last_version < {version}");
        foreach (var table in (string[])["model_alias", "model_version_tag", "model_version"])
            session.Execute($"delete from {Sql.Raw(table)} where workspace = {workspace} and name = {name} and version = {version}");
        Touch(session, name);
        ModelTable.AddEvent(session, workspace, name, (int)version, "version.deleted", "", time.GetUtcNow());
    });

    public Task SetVersionTag(string name, long version, string key, string value) => database.Write(session =>
    {
        _ = Find(session, workspace, name, version);
        PutVersionTag(session, workspace, name, version, key, value);
        Webhooks.Tell(session, workspace, ModelTable.IsPrompt(session, workspace, name) ? WebhookEvent.PromptVersionTagSet : WebhookEvent.VersionTagSet, time.GetUtcNow(),
            json => Write(json, name, version, key, value));
    });

    public Task DeleteVersionTag(string name, long version, string key) => database.Write(session =>
    {
        _ = Find(session, workspace, name, version);
        session.Execute($"delete from model_version_tag where workspace = {workspace} and name = {name} and version = {version} and key = {key}");
        Webhooks.Tell(session, workspace, ModelTable.IsPrompt(session, workspace, name) ? WebhookEvent.PromptVersionTagDeleted : WebhookEvent.VersionTagDeleted, time.GetUtcNow(),
            json => Write(json, name, version, key, null));
    });

    Task<RegisteredModel> Change(string name, Func<SqlSession, string> change) => database.Write(session =>
    {
        if (!Exists(session, workspace, name)) throw Unknown(name);
        return ReadModels(session, workspace, $"and m.name = {change(session)}")[0];
    });

    Task<RegisteredVersion> ChangeVersion(string name, long version, Action<SqlSession> change, DateTimeOffset? at = null) => database.Write(session =>
    {
        _ = Find(session, workspace, name, version);
        change(session);
        session.Execute($"update model_version set updated = {at ?? time.GetUtcNow()} where workspace = {workspace} and name = {name} and version = {version}");
        return Find(session, workspace, name, version);
    });

    void Touch(SqlSession session, string name) =>
        session.Execute($"update model set updated = {time.GetUtcNow()} where workspace = {workspace} and name = {name}");

    static string? Storage(SqlSession session, Workspace workspace, string source)
    {
        if (!source.StartsWith("models:/", StringComparison.Ordinal)) return null;
        var model = source["models:/".Length..].Trim('/');
        if (LoggedModelIn(source) is not null)
            return SourceFiles.LoggedModelUri(session, workspace, model)
                ?? throw TaktException.NotFound($"Unable to fetch model from model URI source artifact location '{source}'.Error: Logged model with ID '{model}' not found.");
        if (SourceFiles.VersionOf(session, workspace, model) is not var (name, version)
            || ReadVersions(session, workspace, $"and v.name = {name} and v.version = {version}").FirstOrDefault() is not { } found)
            throw TaktException.NotFound($"Unable to fetch model from model URI source artifact location '{source}'.Error: Model Version '{model}' not found");
        var files = session.First($"select storage, package from model_version where workspace = {workspace} and name = {name} and version = {version}", row => Tuple.Create(row.TextOrNull(0), row.TextOrNull(1)))!;
        return files.Item1 ?? (found.Source == $"models:/{name}/{version}" && files.Item2 is not null ? $"{ArtifactFiles.Scheme}/{SourceFiles.PackagesFolder}{Digest.Parse(files.Item2).Hex}" : found.Source);
    }

    static string? LoggedModelIn(string source) => source.StartsWith("models:/m-", StringComparison.Ordinal) && !source["models:/".Length..].Contains('/') && !source.Contains('@') ? source["models:/".Length..] : null;

    static string Stage(string stage) => Stages.FirstOrDefault(s => s.Equals(stage, StringComparison.OrdinalIgnoreCase))
        ?? throw TaktException.Invalid($"Invalid Model Version stage: {stage}. Value must be one of None, Staging, Production, Archived.");

    static bool IsPrompt(IReadOnlyList<KeyValuePair<string, string>> tags) => tags.Any(t => t.Key == PromptTag);

    static void Write(Utf8JsonWriter json, IReadOnlyList<KeyValuePair<string, string>> tags, bool prompt)
    {
        json.WriteStartObject("tags");
        foreach (var (key, value) in tags.Reverse().DistinctBy(t => t.Key).Reverse())
            if (!prompt || key is not (PromptTag or PromptTypeTag)) json.WriteString(key, value);
        json.WriteEndObject();
    }

    static void Write(Utf8JsonWriter json, string name, long? version, string key, string? value)
    {
        json.WriteString("name", name);
        if (version is { } number) json.WriteString("version", number.ToString(CultureInfo.InvariantCulture));
        json.WriteString("key", key);
        if (value is not null) json.WriteString("value", value);
    }
}
