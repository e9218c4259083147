using Takt.Storage;

namespace Takt.Runs;

/// <summary>Models that clients log with their runs.</summary>
public sealed class LoggedModels(Database database, TimeProvider time)
{
    public Task<LoggedModel> Create(
        long experiment, string? name, string modelType, string? run, IReadOnlyList<KeyValuePair<string, string>> tags, IReadOnlyList<KeyValuePair<string, string>> parameters)
    {
        var id = $"m-{Guid.NewGuid():N}";
        if (string.IsNullOrEmpty(name)) name = RunNames.Next();
        return database.Write(session =>
        {
            var location = session.Text($"select artifact_location from experiment where workspace = {RunTable.Workspace} and id = {experiment} and lifecycle = 'active'")
                ?? throw Experiments.Unknown(experiment);
            var now = time.GetUtcNow();
            var artifacts = $"{location}/models/{id}/artifacts";
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
        if (session.Execute($"update logged_model set deleted = 1 where id = {id} and deleted = 0") == 0) throw Unknown(id);
    });

    public Task SetTags(string id, IReadOnlyList<KeyValuePair<string, string>> tags) => Change(id, session => Put(session, "logged_model_tag", id, tags));

    public Task DeleteTag(string id, string key) => Change(id, session => session.Execute($"delete from logged_model_tag where model = {id} and key = {key}"));

    public Task SetParams(string id, IReadOnlyList<KeyValuePair<string, string>> values) => Change(id, session => Put(session, "logged_model_param", id, values));

    /// <summary>The newest first.</summary>
    public List<LoggedModel> Search(IReadOnlyList<long> experiments, string? filter, int offset, int limit) => database.Read(session =>
    {
        var where = FilterParser.Parse(filter).ConvertAll(clause => (clause.Entity, clause.Key) switch
        {
            (null or "attributes", "name" or "model_id" or "model_type" or "status" or "source_run_id") =>
                SearchSql.TextTest("l." + clause.Key switch { "model_id" => "id", "source_run_id" => "run", var key => key }, clause, session.Dialect, lists: true),
            ("tags" or "tag", _) => Having("logged_model_tag", clause, session.Dialect),
            ("params" or "param", _) => Having("logged_model_param", clause, session.Dialect),
            _ => throw TaktException.Invalid($"Invalid filter key '{clause.Key}': name, model_id, model_type, status, source_run_id, tags.… and params.… can be searched"),
        });
        if (experiments.Count == 0) return [];
        var within = Sql.Join(", ", experiments.Select(e => (Sql)$"{e}"));
        return Select(session, $"where l.deleted = 0 and l.experiment in ({within}) {SearchSql.And(where)} order by l.created desc, l.id limit {limit} offset {offset}");
    });

    Task<LoggedModel> Change(string id, Action<SqlSession> change) => database.Write(session =>
    {
        if (Find(session, id) is null) throw Unknown(id);
        change(session);
        return Find(session, id)!;
    });

    static Sql Having(string table, FilterClause clause, SqlDialect dialect) =>
        $"exists(select 1 from {Sql.Raw(table)} x where x.model = l.id and x.key = {clause.Key} and {SearchSql.TextTest("x.value", clause, dialect)})";

    static void Put(SqlSession session, string table, string id, IReadOnlyList<KeyValuePair<string, string>> pairs)
    {
        foreach (var (key, value) in pairs)
            session.Execute($"insert into {Sql.Raw(table)}(model, key, value) values({id}, {key}, {value}) on conflict(model, key) do update set value = excluded.value");
    }

    static LoggedModel? Find(SqlSession session, string id) => Select(session, $"where l.id = {id} and l.deleted = 0").FirstOrDefault();

    static List<LoggedModel> Select(SqlSession session, Sql rest) => session
        .Query($"select l.id, l.experiment, l.name, l.model_type, l.run, l.artifact_uri, l.status, l.created, l.updated from logged_model l {rest}",
            row => new LoggedModel(row.Text(0), row.Number(1), row.Text(2), row.Text(3), row.TextOrNull(4) ?? "", row.Text(5), row.Text(6), row.Time(7), row.Time(8), [], []))
        .ConvertAll(m => m with
        {
            Tags = session.Query($"select key, value from logged_model_tag where model = {m.Id} order by key", Pair),
            Params = session.Query($"select key, value from logged_model_param where model = {m.Id} order by key", Pair),
        });

    static KeyValuePair<string, string> Pair(SqlRow row) => new(row.Text(0), row.Text(1));

    static TaktException Unknown(string id) => TaktException.NotFound($"Logged model with ID '{id}' not found.");
}
