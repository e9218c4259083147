using Takt.Storage;

namespace Takt.Runs;

/// <summary>Experiments as tracking clients make, rename, delete and restore them. Messages are those that MLflow's clients know.</summary>
public sealed class Experiments(Database database, TimeProvider time)
{
    /// <exception cref="TaktException">Conflict: the name is taken, also by a deleted one.</exception>
    public Task<long> Create(string name, string? artifactLocation, IReadOnlyList<KeyValuePair<string, string>> tags) => database.Write(session =>
    {
        if (session.Text($"select lifecycle from experiment where workspace = {RunTable.Workspace} and name = {name}") is { } there)
            throw TaktException.Conflict(there == "active" ? $"Experiment(name={name}) already exists."
                : $"Experiment(name={name}) already exists in deleted state. Restore it, or use another name.");
        var id = RunTable.Experiment(session, name, time.GetUtcNow());
        if (!string.IsNullOrEmpty(artifactLocation)) session.Execute($"update experiment set artifact_location = {artifactLocation} where id = {id}");
        foreach (var (key, value) in tags) PutTag(session, id, key, value);
        return id;
    });

    /// <summary>Makes Default when it is not there yet.</summary>
    public Task EnsureDefault() => database.Write(session => { RunTable.Experiment(session, "Default", time.GetUtcNow()); });

    public Experiment? Find(long id) => database.Read(session => Select(session, $"where e.workspace = {RunTable.Workspace} and e.id = {id}").FirstOrDefault());

    /// <exception cref="TaktException">NotFound.</exception>
    public Experiment Get(long id) => Find(id) ?? throw Unknown(id);

    public Experiment? FindByName(string name) => database.Read(session => Select(session, $"where e.workspace = {RunTable.Workspace} and e.name = {name}").FirstOrDefault());

    /// <param name="deleted">Null: both the active and the deleted.</param>
    public List<Experiment> Search(string filter, IReadOnlyList<string> orderBy, bool? deleted, int offset, int limit) => database.Read(session =>
    {
        var search = SearchSql.Experiments(filter, orderBy, session.Dialect);
        Sql state = deleted is { } gone ? $"and e.lifecycle = {(gone ? "deleted" : "active")}" : Sql.Raw("");
        return Select(session, $"{search.Joins} where e.workspace = {RunTable.Workspace} {state} {search.Where} order by {search.Order} limit {limit} offset {offset}");
    });

    public Task Rename(long id, string name) => Change(id, session =>
    {
        if (session.Number($"select id from experiment where workspace = {RunTable.Workspace} and name = {name} and id <> {id}") is not null)
            throw TaktException.Conflict($"Experiment(name={name}) already exists.");
        session.Execute($"update experiment set name = {name} where id = {id}");
    });

    /// <summary>Deletes softly, or restores, the experiment and its runs.</summary>
    public Task SetDeleted(long id, bool deleted) => Change(id, session =>
    {
        var (from, to) = deleted ? ("active", "deleted") : ("deleted", "active");
        session.Execute($"update experiment set lifecycle = {to} where id = {id}");
        session.Execute($"update run set lifecycle = {to}, deleted = {(deleted ? time.GetUtcNow() : null)} where experiment = {id} and lifecycle = {from}");
    }, onlyActive: deleted);

    public Task SetTag(long id, string key, string value) => Change(id, session => PutTag(session, id, key, value));

    public Task DeleteTag(long id, string key) => Change(id, session =>
    {
        if (session.Execute($"delete from experiment_tag where experiment = {id} and key = {key}") == 0)
            throw TaktException.NotFound($"No tag with name: {key}");
    });

    /// <returns>Where its artifacts are.</returns>
    /// <exception cref="TaktException">NotFound. Invalid: it is deleted.</exception>
    internal static string CheckActive(SqlSession session, long id)
    {
        var (state, location) = session.First($"select lifecycle, artifact_location from experiment where workspace = {RunTable.Workspace} and id = {id}",
            row => Tuple.Create(row.Text(0), row.Text(1))) ?? throw Unknown(id);
        return state == "active" ? location : throw TaktException.Invalid($"The experiment {id} must be in the 'active' state. Current state is {state}.");
    }

    internal static TaktException Unknown(long id) => TaktException.NotFound($"No Experiment with id={id} exists");

    Task Change(long id, Action<SqlSession> change, bool onlyActive = true) => database.Write(session =>
    {
        var state = session.Text($"select lifecycle from experiment where workspace = {RunTable.Workspace} and id = {id}") ?? throw Unknown(id);
        if (onlyActive && state != "active") throw Unknown(id);
        change(session);
        session.Execute($"update experiment set updated = {time.GetUtcNow()} where id = {id}");
    });

    static void PutTag(SqlSession session, long id, string key, string value) => session.Execute($"""
        insert into experiment_tag(experiment, key, value) values({id}, {key}, {value}) on conflict(experiment, key) do update set value = excluded.value
        """);

    static List<Experiment> Select(SqlSession session, Sql rest) =>
        session.Query($"select e.id, e.name, e.artifact_location, e.lifecycle, e.created, e.updated from experiment e {rest}",
            row => new Experiment(row.Number(0), row.Text(1), row.Text(2), row.Text(3) == "deleted", row.Time(4), row.Time(5), []))
        .ConvertAll(e => e with
        {
            Tags = session.Query($"select key, value from experiment_tag where experiment = {e.Id} order by key", row => KeyValuePair.Create(row.Text(0), row.Text(1))),
        });
}
