using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Evaluation;

/// <summary>Sets of questions as evaluation clients keep them, by MLflow's rules: a record is one by its inputs, and giving it again merges it.</summary>
public sealed class EvaluationSets(Database database, TimeProvider time, Workspace workspace = default)
{
    const string UserTag = "mlflow.user";
    const int Together = 500;

    /// <summary>Those of another workspace.</summary>
    public EvaluationSets In(Workspace other) => other == workspace ? this : new(database, time, other);

    /// <param name="tags">JSON texts or other values as text.</param>
    public Task<EvaluationSet> Create(string name, IReadOnlyList<KeyValuePair<string, string>> tags, IReadOnlyList<string> experiments) => database.Write(session =>
    {
        var id = $"d-{Guid.NewGuid():N}";
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var user = tags.LastOrDefault(t => t.Key == UserTag).Value;
        session.Execute($"""
            insert into evaluation_set(id, workspace, name, digest, created, updated, created_by, updated_by)
            values({id}, {workspace}, {name}, {Digest(name, now)}, {now}, {now}, {user}, {user})
            """);
        foreach (var (key, value) in tags) PutTag(session, id, key, value);
        foreach (var experiment in experiments) Link(session, id, experiment);
        return Find(session, id)!;
    });

    /// <exception cref="TaktException">NotFound.</exception>
    public EvaluationSet Get(string id) => database.Read(session => Find(session, id)) ?? throw TaktException.NotFound($"Evaluation dataset with id '{id}' not found");

    /// <summary>Nothing happens when it is not there.</summary>
    public Task Delete(string id) => database.Write(session => { session.Execute($"delete from evaluation_set where id = {id} and workspace = {workspace}"); });

    /// <param name="experiments">Empty: all.</param>
    public List<EvaluationSet> Search(IReadOnlyList<string> experiments, string? filter, IReadOnlyList<string> orderBy, int offset, int limit) => database.Read(session =>
    {
        var where = EvaluationFilter.Parse(filter, session.Dialect);
        Sql within = experiments.Count == 0 ? Sql.Raw("")
            : $"and d.id in (select evaluation_set from evaluation_set_experiment where experiment in ({Sql.Join(", ", experiments.Select(e => (Sql)$"{e}"))}))";
        return Select(session, $"where d.workspace = {workspace} {within} {where} order by {EvaluationFilter.Order(orderBy)} limit {limit} offset {offset}");
    });

    /// <summary>Null values are passed over.</summary>
    public Task SetTags(string id, IReadOnlyList<KeyValuePair<string, string?>> tags) => database.Write(session =>
    {
        Known(session, id);
        foreach (var (key, value) in tags)
            if (value is not null) PutTag(session, id, key, value);
    });

    /// <summary>Nothing happens when it is not there.</summary>
    public Task DeleteTag(string id, string key) => database.Write(session => { if (Find(session, id) is not null) session.Execute($"delete from evaluation_set_tag where evaluation_set = {id} and key = {key}"); });

    /// <summary>Every experiment that the set is used by; none when the set is not there.</summary>
    public List<string> Experiments(string id) => database.Read(session =>
        Find(session, id) is null ? [] : session.Query($"select experiment from evaluation_set_experiment where evaluation_set = {id} order by experiment", row => row.Text(0)));

    /// <exception cref="TaktException">NotFound: the set or an experiment.</exception>
    public Task<EvaluationSet> AddTo(string id, IReadOnlyList<string> experiments) => Change(id, session =>
    {
        foreach (var experiment in experiments)
            if (!long.TryParse(experiment, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                || session.Number($"select id from experiment where workspace = {workspace} and id = {number}") is null)
                throw TaktException.NotFound($"No Experiment with id={experiment}");
        foreach (var experiment in experiments) Link(session, id, experiment);
        return true;
    });

    public Task<EvaluationSet> RemoveFrom(string id, IReadOnlyList<string> experiments) => Change(id, session =>
        experiments.Sum(e => session.Execute($"delete from evaluation_set_experiment where evaluation_set = {id} and experiment = {e}")) > 0);

    /// <summary>Adds records, or merges what is new into those with the same inputs.</summary>
    /// <exception cref="TaktException">NotFound. Invalid: a record is no object, or its parts are none; all that are wrong are named.</exception>
    public Task<(int Inserted, int Updated)> Put(string id, JsonElement records)
    {
        var given = NewRecord.All(records);
        return database.Write(session =>
        {
            var set = Known(session, id);
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            var (inserted, updated) = (0, 0);
            string? by = null;
            foreach (var record in given)
            {
                by = record.User ?? by;
                var old = SelectRecords(session, $"where evaluation_set = {id} and input_hash = {record.Hash}").FirstOrDefault();
                if (old is not null)
                {
                    updated++;
                    session.Execute($"""
                        update evaluation_record set outputs = {(record.HasOutputs ? record.Outputs : old.Outputs)}, expectations = {Merged(old.Expectations, record.Expectations)},
                            tags = {Merged(old.Tags, record.Tags)}, updated = {now}, updated_by = {record.User ?? old.UpdatedBy}
                        where evaluation_set = {id} and id = {old.Id}
                        """);
                    continue;
                }
                inserted++;
                var (recordId, outputs, recordTags) = ($"dr-{Guid.NewGuid():N}", record.HasOutputs ? record.Outputs : "{}", record.Tags ?? "{}");
                session.Execute($"""
                    insert into evaluation_record(evaluation_set, id, input_hash, inputs, outputs, expectations, tags, source, source_type, source_id, created, updated, created_by, updated_by)
                    values({id}, {recordId}, {record.Hash}, {record.Inputs}, {outputs}, {record.Expectations}, {recordTags},
                           {record.Source}, {record.SourceType}, {record.SourceId}, {now}, {now}, {record.User}, {record.User})
                    """);
            }
            Refresh(session, set, now, by, EvaluationSchema.With(set.Schema, given));
            return (inserted, updated);
        });
    }

    /// <returns>How many there were.</returns>
    public Task<int> DeleteRecords(string id, IReadOnlyList<string> records) => database.Write(session =>
    {
        var set = Known(session, id);
        var deleted = records.Distinct().Chunk(Together).Sum(some =>
            session.Execute($"delete from evaluation_record where evaluation_set = {id} and id in ({Sql.Join(", ", some.Select(r => (Sql)$"{r}"))})"));
        if (deleted > 0) Refresh(session, set, time.GetUtcNow().ToUnixTimeMilliseconds(), set.UpdatedBy, set.Schema);
        return deleted;
    });

    /// <summary>The oldest first.</summary>
    /// <param name="after">The token of the page before.</param>
    public (List<EvaluationRecord> Records, string? Next) Records(string id, int limit, string? after) => database.Read(session =>
    {
        Known(session, id);
        Sql from = Sql.Raw("");
        if (!string.IsNullOrEmpty(after))
        {
            var (created, last) = Decode(after);
            from = $"and created >= {created} and (created > {created} or id > {last})";
        }
        var found = SelectRecords(session, $"where evaluation_set = {id} {from} order by created, id limit {limit + 1}");
        if (found.Count <= limit) return (found, null);
        found.RemoveAt(limit);
        return (found, (string?)Convert.ToBase64String(Encoding.UTF8.GetBytes($"{found[^1].Created}:{found[^1].Id}")));
    });

    Task<EvaluationSet> Change(string id, Func<SqlSession, bool> change) => database.Write(session =>
    {
        if (Find(session, id) is null) throw TaktException.NotFound($"Dataset '{id}' not found");
        if (change(session)) session.Execute($"update evaluation_set set updated = {time.GetUtcNow()} where id = {id}");
        return Find(session, id)!;
    });

    static void Refresh(SqlSession session, EvaluationSet set, long now, string? by, string? schema)
    {
        var count = session.Number($"select count(*) from evaluation_record where evaluation_set = {set.Id}");
        var profile = count > 0 ? $"{{\"num_records\": {count}}}" : null;
        session.Execute($"update evaluation_set set updated = {now}, updated_by = {by}, digest = {Digest(set.Name, now)}, schema_text = {schema}, profile = {profile} where id = {set.Id}");
    }

    static (long Created, string Id) Decode(string token)
    {
        try
        {
            var parts = Encoding.UTF8.GetString(Convert.FromBase64String(token)).Split(':', 2);
            if (parts.Length == 2 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var created)) return (created, parts[1]);
        }
        catch (FormatException)
        {
        }
        throw TaktException.Invalid("Invalid page token: it is none of this dataset's records");
    }

    static string? Merged(string? old, string? more)
    {
        if (more is null or "{}") return old;
        if (old is null or "{}") return more;
        var all = JsonNode.Parse(old)!.AsObject();
        foreach (var (key, value) in JsonNode.Parse(more)!.AsObject()) all[key] = value?.DeepClone();
        return all.ToJsonString();
    }

    static string Digest(string name, long now) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{name}:{now}")))[..8];

    static void PutTag(SqlSession session, string id, string key, string value) => session.Execute($"""
        insert into evaluation_set_tag(evaluation_set, key, value) values({id}, {key}, {value}) on conflict(evaluation_set, key) do update set value = excluded.value
        """);

    static void Link(SqlSession session, string id, string experiment) => session.Execute($"""
        insert into evaluation_set_experiment(evaluation_set, experiment) values({id}, {experiment}) on conflict(evaluation_set, experiment) do nothing
        """);

    EvaluationSet Known(SqlSession session, string id) => Find(session, id) ?? throw TaktException.NotFound($"Could not find evaluation dataset with ID {id}");

    EvaluationSet? Find(SqlSession session, string id) => Select(session, $"where d.id = {id} and d.workspace = {workspace}").FirstOrDefault();

    static List<EvaluationSet> Select(SqlSession session, Sql rest)
    {
        var sets = session.Query($"select d.id, d.name, d.digest, d.schema_text, d.profile, d.created, d.updated, d.created_by, d.updated_by from evaluation_set d {rest}",
            row => new EvaluationSet(row.Text(0), row.Text(1), row.Text(2), row.TextOrNull(3), row.TextOrNull(4), row.Number(5), row.Number(6), row.TextOrNull(7), row.TextOrNull(8), []));
        foreach (var some in sets.Chunk(Together))
        {
            var byId = some.ToDictionary(s => s.Id, StringComparer.Ordinal);
            var within = Sql.Join(", ", some.Select(s => (Sql)$"{s.Id}"));
            session.Query($"select evaluation_set, key, value from evaluation_set_tag where evaluation_set in ({within}) order by evaluation_set, key", row =>
            {
                byId[row.Text(0)].Tags.Add(new(row.Text(1), row.Text(2)));
                return true;
            });
        }
        return sets;
    }

    static List<EvaluationRecord> SelectRecords(SqlSession session, Sql rest) => session.Query($"""
        select id, evaluation_set, inputs, outputs, expectations, tags, source, source_type, source_id, created, updated, created_by, updated_by from evaluation_record {rest}
        """, row => new EvaluationRecord(row.Text(0), row.Text(1), row.Text(2), row.TextOrNull(3), row.TextOrNull(4), row.TextOrNull(5), row.TextOrNull(6), row.TextOrNull(7), row.TextOrNull(8),
        row.Number(9), row.Number(10), row.TextOrNull(11), row.TextOrNull(12)));
}
