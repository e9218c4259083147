using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>Models that clients log with their runs.</summary>
public sealed class LoggedModels(Database database, TimeProvider time, Workspace workspace = default)
{
    /// <summary>The same, of another workspace.</summary>
    public LoggedModels In(Workspace other) => other == workspace ? this : new(database, time, other);

    const string ReadyStatus = "LOGGED_MODEL_READY", VersionsTag = "mlflow.modelVersions";
    static readonly string[] OtherSearch =
    [
        "Experiment IDs in the page token do not match the requested experiment IDs.", "Filter string in the page token does not match the requested filter string.",
        "Order by in the page token does not match the requested order by.", "Datasets in the page token do not match the requested datasets.",
    ];
    static readonly string[] NumberOperators = ["<", "<=", ">", ">=", "=", "!="];
    static readonly string[] TextOperators = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"];

    public Task<LoggedModel> Create(
        long experiment, string? name, string modelType, string? run, IReadOnlyList<KeyValuePair<string, string>> tags, IReadOnlyList<KeyValuePair<string, string>> parameters)
    {
        var id = $"m-{Guid.NewGuid():N}";
        if (string.IsNullOrEmpty(name)) name = RunNames.Next();
        if (name.IndexOfAny(['/', ':', '.', '%', '"', '\'']) >= 0)
            throw TaktException.Invalid($"Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")");
        return database.Write(session =>
        {
            experiment = Experiments.Resolve(session, experiment, time, workspace);
            var artifacts = ArtifactUri.Below(Experiments.CheckActive(session, experiment, time, workspace), "models", id, "artifacts");
            var now = time.GetUtcNow();
            session.Execute($"""
                insert into logged_model(id, experiment, name, model_type, run, artifact_uri, status, deleted, created, updated)
                values({id}, {experiment}, {name}, {modelType}, {run}, {artifacts}, {"LOGGED_MODEL_PENDING"}, 0, {now}, {now})
                """);
            Put(session, "logged_model_tag", id, tags);
            Put(session, "logged_model_param", id, parameters);
            return Find(session, id)!;
        });
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public LoggedModel Get(string id) => database.Read(session => Find(session, id)) ?? throw Unknown(id);

    public LoggedModel? Find(string id) => database.Read(session => Find(session, id));

    public Task<LoggedModel> SetStatus(string id, string status) => Change(id, session =>
        session.Execute($"update logged_model set status = {status}, updated = {time.GetUtcNow()} where id = {id}"));

    public Task Delete(string id) => database.Write(session =>
    {
        if (Find(session, id) is null) throw Unknown(id);
        session.Execute($"update logged_model set deleted = 1, updated = {time.GetUtcNow()} where id = {id}");
    });

    public Task<LoggedModel> SetTags(string id, IReadOnlyList<KeyValuePair<string, string>> tags) => Change(id, session => Put(session, "logged_model_tag", id, tags));

    public Task<LoggedModel> DeleteTag(string id, string key) => Change(id, session =>
    {
        if (session.Execute($"delete from logged_model_tag where model = {id} and key = {key}") == 0)
            throw TaktException.NotFound($"No tag with key '{key}' found for model with ID '{id}'.");
    });

    public Task<LoggedModel> SetParams(string id, IReadOnlyList<KeyValuePair<string, string>> values) => Change(id, session => Put(session, "logged_model_param", id, values));

    /// <summary>The newest first, after the given order.</summary>
    /// <param name="datasets">Models that were measured on one of these; a metric of the filter must have been on one. Empty: on any or none.</param>
    /// <param name="token">Where the page before ended; null: from the start.</param>
    /// <exception cref="TaktException">Invalid: filter, order or token.</exception>
    public Page<LoggedModel> Search(IReadOnlyList<long> experiments, string? filter, IReadOnlyList<DatasetFilter> datasets, IReadOnlyList<LoggedModelOrder> orderBy, int limit, string? token) =>
        database.Read(session =>
        {
            var clauses = Parsed(filter);
            Sql? on = datasets.Count == 0 ? null : Sql.Join(" or ", datasets.Select(On));
            var where = clauses.ConvertAll(clause => Clause(clause, on, session.Dialect));
            if (on is not null && !clauses.Any(clause => clause.Entity == "metrics")) where.Add($"exists(select 1 from logged_model_metric x where x.model = l.id and ({on}))");
            var (joins, keys) = Order(orderBy);
            var of = $"models {string.Join(',', experiments)}{PageOrder.Between}{filter}{PageOrder.Between}{string.Join(", ", orderBy)}{PageOrder.Between}{string.Join(", ", datasets)}";
            Sql after = keys.Place(of, token, OtherSearch) is { } place ? keys.After(place) : Sql.Raw("");
            experiments = Experiments.Visible(session, experiments, workspace);
            if (experiments.Count == 0) return new Page<LoggedModel>([], null);
            var within = Sql.Join(", ", experiments.Select(e => (Sql)$"{e}"));
            var rows = session.Query($"""
                select l.id, {keys.Columns} from logged_model l {joins} where l.deleted = 0 and l.experiment in ({within}) {SearchSql.And(where)} {after} order by {keys.OrderBy} limit {limit + 1}
                """, row => (Id: row.Text(0), Keys: keys.Read(row, 1)));
            var models = rows.Take(limit).Select(row => Find(session, row.Id)!).ToList();
            return new Page<LoggedModel>(models, rows.Count > limit ? PageOrder.Token(of, rows[limit - 1].Keys) : null);
        });

    /// <summary>A point of a metric that a run logged of this model.</summary>
    internal static void AddPoint(SqlSession session, string run, LoggedMetric metric, Workspace workspace)
    {
        if (session.Number($"select 1 from logged_model l join experiment e on e.id = l.experiment where l.id = {metric.Model} and e.workspace = {workspace}") is null) throw Unknown(metric.Model!);
        var nan = double.IsNaN(metric.Value);
        session.Execute($"""
            insert into logged_model_metric(model, key, time, step, value, is_nan, run, dataset_name, dataset_digest)
            values({metric.Model}, {metric.Key}, {metric.Time}, {metric.Step}, {(nan ? 0 : metric.Point.Value)}, {nan}, {run}, {metric.DatasetName ?? ""}, {metric.DatasetDigest ?? ""})
            on conflict(model, key, time, step, run, dataset_name, dataset_digest, value, is_nan) do nothing
            """);
    }

    /// <summary>Adds to the tag by which MLflow 3 tells which versions a logged model has become.</summary>
    internal static void AddVersion(SqlSession session, string id, string name, long version)
    {
        var entry = $$"""{"name": "{{JsonEncodedText.Encode(name)}}", "version": {{version}}}""";
        var old = session.Text($"select value from logged_model_tag where model = {id} and key = {VersionsTag}");
        Put(session, "logged_model_tag", id, [new(VersionsTag, old is { Length: > 2 } && old.EndsWith(']') ? $"{old[..^1]}, {entry}]" : $"[{entry}]")]);
    }

    static List<FilterClause> Parsed(string? filter)
    {
        try
        {
            return FilterParser.Parse(filter);
        }
        catch (TaktException e)
        {
            var quote = filter!.Contains('\'') && !filter.Contains('"') ? '"' : '\'';
            throw TaktException.Invalid($"Invalid filter string: {quote}{filter}{quote}. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01'). {e.Message}");
        }
    }

    Task<LoggedModel> Change(string id, Action<SqlSession> change) => database.Write(session =>
    {
        if (Find(session, id) is null) throw Unknown(id);
        change(session);
        return Find(session, id)!;
    });

    static Sql On(DatasetFilter dataset) => dataset.Digest is null ? (Sql)$"x.dataset_name = {dataset.Name}" : dataset.Name is null ? (Sql)$"x.dataset_digest = {dataset.Digest}"
        : $"(x.dataset_name = {dataset.Name} and x.dataset_digest = {dataset.Digest})";

    static Sql Clause(FilterClause clause, Sql? on, SqlDialect dialect)
    {
        switch (clause.Entity)
        {
            case null or "attributes":
                var column = Column(clause.Key) ?? throw TaktException.Invalid($"Invalid attribute key '{clause.Key}' specified. Valid keys are name, model_id, model_type, status, source_run_id, creation_timestamp and last_updated_timestamp");
                Check(clause, column is "l.created" or "l.updated", $"attributes.{clause.Key}");
                return column is "l.created" or "l.updated" ? SearchSql.NumberTest(column, clause, $"numeric attribute: {clause.Key}")
                    : SearchSql.TextTest(column, column == "l.status" ? Status(clause) : clause with { Quoted = true }, dialect, lists: true);
            case "metrics":
                Check(clause, true, $"metrics.{clause.Key}");
                Sql test = SearchSql.NumberTest("x.value", clause, "metric");
                return $"exists(select 1 from logged_model_metric x where x.model = l.id and x.key = {clause.Key} and x.is_nan = 0 and {test} {(on is null ? Sql.Raw("") : (Sql)$"and ({on})")})";
            case "tags" or "params":
                Check(clause, false, $"{clause.Entity}.{clause.Key}");
                var table = Sql.Raw(clause.Entity == "tags" ? "logged_model_tag" : "logged_model_param");
                return $"exists(select 1 from {table} x where x.model = l.id and x.key = {clause.Key} and {SearchSql.TextTest("x.value", clause with { Quoted = true }, dialect, lists: true)})";
            default:
                throw TaktException.Invalid($"Invalid entity type: '{clause.Entity}'. Expected one of ['attributes', 'metrics', 'params', 'tags'].");
        }
    }

    static void Check(FilterClause clause, bool number, string entity)
    {
        if (!(number ? NumberOperators : TextOperators).Contains(clause.Operator))
            throw TaktException.Invalid($"Invalid comparison operator for {entity}: '{clause.Operator}'. Expected one of ({string.Join(", ", (number ? NumberOperators : TextOperators).Select(o => $"'{o}'"))}).");
    }

    // clients say READY where the protocol says LOGGED_MODEL_READY
    static FilterClause Status(FilterClause clause) => clause with
    {
        Quoted = true,
        Values = [.. clause.Values.Select(v => v is "READY" or "PENDING" ? ReadyStatus.Replace("READY", v, StringComparison.Ordinal) : v == "FAILED" ? "LOGGED_MODEL_UPLOAD_FAILED" : v)],
    };

    static string? Column(string key) => key switch
    {
        "name" => "l.name",
        "model_id" => "l.id",
        "model_type" => "l.model_type",
        "status" => "l.status",
        "source_run_id" => "l.run",
        "experiment_id" => "l.experiment",
        "artifact_location" => "l.artifact_uri",
        "creation_timestamp" or "creation_time" or "creation_timestamp_ms" => "l.created",
        "last_updated_timestamp" or "last_updated_time" or "last_updated_timestamp_ms" => "l.updated",
        _ => null,
    };

    static (Sql Joins, PageOrder Keys) Order(IReadOnlyList<LoggedModelOrder> orderBy)
    {
        const int Most = 30; // SQLite joins at most 64 tables
        if (orderBy.Count > Most) throw TaktException.Invalid($"`order_by` has more than {Most} clauses");
        var joins = new List<Sql>();
        var keys = new List<PageOrder.Key>();
        foreach (var term in orderBy)
        {
            if (term.Field.StartsWith("metrics.", StringComparison.Ordinal))
            {
                var alias = $"o{joins.Count}";
                Sql on = term.Dataset is null ? Sql.Raw("") : $"and {On(term.Dataset)}";
                joins.Add($"""
                    left join (select model, value, is_nan, row_number() over (partition by model order by time desc, step desc, value desc) as place
                      from logged_model_metric x where x.key = {term.Field["metrics.".Length..]} {on}) {Sql.Raw(alias)} on {Sql.Raw(alias)}.model = l.id and {Sql.Raw(alias)}.place = 1
                    """);
                keys.Add(new(Sql.Raw($"case when {alias}.value is null then 2 when {alias}.is_nan = 1 then 1 else 0 end"), PageOrder.Kind.Number, false));
                keys.Add(new(Sql.Raw($"coalesce({alias}.value, 0.0)"), PageOrder.Kind.Real, !term.Ascending));
                continue;
            }
            if (term.Field.Contains('.')) throw TaktException.Invalid($"Invalid order by field name: {term.Field}. Only metrics are supported.");
            var column = Column(term.Field) ?? throw TaktException.Invalid($"Invalid order by field name: {term.Field}");
            if (column == "l.run") column = "coalesce(l.run, '')";
            keys.Add(new(Sql.Raw(column), column is "l.created" or "l.updated" or "l.experiment" ? PageOrder.Kind.Number : PageOrder.Kind.Text, !term.Ascending));
        }
        keys.Add(new(Sql.Raw("l.created"), PageOrder.Kind.Number, true));
        keys.Add(new(Sql.Raw("l.id"), PageOrder.Kind.Text, false));
        return (Sql.Join(" ", joins), new PageOrder(keys));
    }

    static void Put(SqlSession session, string table, string id, IReadOnlyList<KeyValuePair<string, string>> pairs)
    {
        foreach (var (key, value) in pairs)
            session.Execute($"insert into {Sql.Raw(table)}(model, key, value) values({id}, {key}, {value}) on conflict(model, key) do update set value = excluded.value");
    }

    LoggedModel? Find(SqlSession session, string id)
    {
        var model = session.First($"select l.id, l.experiment, l.name, l.model_type, l.run, l.artifact_uri, l.status, l.created, l.updated from logged_model l join experiment e on e.id = l.experiment where l.id = {id} and l.deleted = 0 and e.workspace = {workspace}",
            row => new LoggedModel(row.Text(0), row.Number(1), row.Text(2), row.Text(3), row.TextOrNull(4) ?? "", row.Text(5), row.Text(6), row.Time(7), row.Time(8), [], []));
        return model is null ? null : model with
        {
            Tags = session.Query($"select key, value from logged_model_tag where model = {id} order by key", Pair),
            Params = session.Query($"select key, value from logged_model_param where model = {id} order by key", Pair),
            Metrics = session.Query($"select key, value, is_nan, step, time, dataset_name, dataset_digest, run from logged_model_metric where model = {id} order by key, time, step", row =>
                (new LoggedMetric(row.Text(0), row.Flag(2) ? double.NaN : row.Real(1), row.Number(3), row.Number(4), id, row.Text(5), row.Text(6)), row.Text(7))),
        };
    }

    static KeyValuePair<string, string> Pair(SqlRow row) => new(row.Text(0), row.Text(1));

    static TaktException Unknown(string id) => TaktException.NotFound($"Logged model with ID '{id}' not found.");
}
