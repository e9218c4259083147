using Takt.Storage;

namespace Takt.Runs;

/// <summary>Experiments as tracking clients make, rename, delete and restore them. Messages are those that MLflow's clients know.</summary>
public sealed class Experiments(Database database, TimeProvider time, Workspace workspace = default)
{
    const string Default = "Default";

    /// <summary>The same, of another workspace.</summary>
    public Experiments In(Workspace other) => other == workspace ? this : new(database, time, other);

    /// <exception cref="TaktException">Conflict: the name is taken, also by a deleted one.</exception>
    public Task<long> Create(string name, string? artifactLocation, IReadOnlyList<KeyValuePair<string, string>> tags) => database.Write(session =>
    {
        RunTable.Default(session, time.GetUtcNow(), workspace); // so that it is 0
        RequireFree(session, name, null);
        var id = RunTable.Experiment(session, name, time.GetUtcNow(), workspace);
        if (!string.IsNullOrEmpty(artifactLocation)) session.Execute($"update experiment set artifact_location = {artifactLocation} where id = {id}");
        foreach (var (key, value) in tags) PutTag(session, id, key, value);
        return id;
    });

    /// <param name="id">0: the workspace's Default, whatever its number.</param>
    public Experiment? Find(long id) => database.Read(session => id == 0 && !workspace.IsDefault ? Select(session, $"where e.workspace = {workspace} and e.name = {Default}").FirstOrDefault()
        : Select(session, $"where e.workspace = {workspace} and e.id = {id}").FirstOrDefault());

    /// <exception cref="TaktException">NotFound.</exception>
    public async Task<Experiment> Get(long id)
    {
        if (Find(id) is { } found) return found;
        if (id == 0) await EnsureDefault();
        return Find(id) ?? throw Unknown(id);
    }

    public async Task<Experiment?> FindByName(string name)
    {
        if (ByName() is { } found || name != Default) return ByName();
        await EnsureDefault();
        return ByName();

        Experiment? ByName() => database.Read(session => Select(session, $"where e.workspace = {workspace} and e.name = {name}").FirstOrDefault());
    }

    /// <param name="deleted">Null: both the active and the deleted.</param>
    /// <param name="token">Where the page before ended; null: from the start.</param>
    public async Task<Page<Experiment>> Search(string? filter, IReadOnlyList<string> orderBy, bool? deleted, int limit, string? token)
    {
        if (Find(0) is null) await EnsureDefault();
        return database.Read(session =>
        {
            var search = SearchSql.Experiments(filter, orderBy, session.Dialect);
            var of = $"experiments {filter} {string.Join(", ", orderBy)}";
            Sql after = search.Keys.Place(of, token) is { } place ? search.Keys.After(place) : Sql.Raw("");
            Sql state = deleted is { } gone ? (Sql)$"and e.lifecycle = {(gone ? "deleted" : "active")}" : Sql.Raw("");
            object[]? last = null;
            var found = Select(session, $"where e.workspace = {workspace} {state} {search.Where} {after} order by {search.Order} limit {limit + 1}", search.Keys, limit, keys => last = keys);
            return new Page<Experiment>(found.Count > limit ? found[..limit] : found, found.Count > limit ? PageOrder.Token(of, last!) : null);
        });
    }

    public Task Rename(long id, string name) => Change(id, (session, id) =>
    {
        RequireFree(session, name, id);
        session.Execute($"update experiment set name = {name} where id = {id}");
    }, "Cannot rename a non-active experiment.");

    /// <summary>Deletes softly, or restores, the experiment and all of its runs.</summary>
    /// <exception cref="TaktException">NotFound: there is none that could be.</exception>
    public Task SetDeleted(long id, bool deleted) => database.Write(session =>
    {
        if (id == 0) id = RunTable.Default(session, time.GetUtcNow(), workspace);
        var (from, to) = deleted ? ("active", "deleted") : ("deleted", "active");
        if (session.Execute($"update experiment set lifecycle = {to}, updated = {time.GetUtcNow()} where workspace = {workspace} and id = {id} and lifecycle = {from}") == 0) throw Unknown(id);
        session.Execute($"update run set lifecycle = {to}, deleted = {(deleted ? time.GetUtcNow() : null)} where experiment = {id}");
    });

    public Task SetTag(long id, string key, string value) => Change(id, (session, id) => PutTag(session, id, key, value));

    public Task DeleteTag(long id, string key) => Change(id, (session, id) =>
    {
        if (session.Execute($"delete from experiment_tag where experiment = {id} and key = {key}") == 0)
            throw TaktException.NotFound($"No tag with name: {key} in experiment with id {id}");
    });

    /// <summary>Those of the ids that are this workspace's experiments; 0 stands for its Default.</summary>
    internal static List<long> Visible(SqlSession session, IReadOnlyList<long> ids, Workspace workspace) => ids.Count == 0 ? []
        : ids.Count == 1 && (ids[0] != 0 || workspace.IsDefault) ? session.Query($"select id from experiment where id = {ids[0]} and workspace = {workspace}", row => row.Number(0))
        : session.Query($"select id from experiment where workspace = {workspace} and (id in ({Sql.Join(", ", ids.Select(id => (Sql)$"{id}"))}) {(ids.Contains(0) ? (Sql)$"or name = {Default}" : Sql.Raw(""))})", row => row.Number(0));

    internal static TaktException Unknown(long id) => TaktException.NotFound($"No Experiment with id={id} exists");

    /// <summary>The number of the experiment that a client means: 0 stands for the workspace's Default.</summary>
    internal static long Resolve(SqlSession session, long id, TimeProvider time, Workspace workspace) =>
        id == 0 && !workspace.IsDefault ? RunTable.Default(session, time.GetUtcNow(), workspace) : id;

    /// <returns>Where its artifacts are. Default is made when it is not there yet.</returns>
    /// <exception cref="TaktException">NotFound, or Invalid: it is deleted.</exception>
    /// <param name="deleted">A deleted one will do.</param>
    internal static string CheckActive(SqlSession session, long id, TimeProvider? time = null, Workspace workspace = default, bool deleted = false)
    {
        var there = Find();
        if (there is null && id == 0)
        {
            RunTable.Default(session, (time ?? TimeProvider.System).GetUtcNow(), workspace);
            there = Find();
        }
        var (state, location) = there ?? throw Unknown(id);
        return deleted || state == "active" ? location : throw Inactive(id, state);

        Tuple<string, string>? Find() => session.First($"select lifecycle, artifact_location from experiment where workspace = {workspace} and id = {id}",
            row => Tuple.Create(row.Text(0), row.Text(1)));
    }

    /// <summary>Makes Default when it is not there yet.</summary>
    public Task EnsureDefault() => database.Write(session => { RunTable.Default(session, time.GetUtcNow(), workspace); });

    static TaktException Inactive(long id, string state) => TaktException.Invalid($"The experiment {id} must be in the 'active' state. Current state is {state}.");

    void RequireFree(SqlSession session, string name, long? besides)
    {
        var there = session.First($"select id, lifecycle from experiment where workspace = {workspace} and name = {name}", row => Tuple.Create(row.Number(0), row.Text(1)));
        if (there is null || there.Item1 == besides) return;
        throw TaktException.Conflict(there.Item2 == "active" ? $"Experiment(name={name}) already exists."
            : $"Experiment(name={name}) already exists in deleted state. Restore it, or use another name.");
    }

    Task Change(long id, Action<SqlSession, long> change, string? inactive = null) => database.Write(session =>
    {
        if (id == 0) id = RunTable.Default(session, time.GetUtcNow(), workspace);
        var state = session.Text($"select lifecycle from experiment where workspace = {workspace} and id = {id}") ?? throw Unknown(id);
        if (state != "active") throw inactive is null ? Inactive(id, state) : TaktException.Invalid(inactive);
        change(session, id);
        session.Execute($"update experiment set updated = {time.GetUtcNow()} where id = {id}");
    });

    static void PutTag(SqlSession session, long id, string key, string value) => session.Execute($"""
        insert into experiment_tag(experiment, key, value) values({id}, {key}, {value}) on conflict(experiment, key) do update set value = excluded.value
        """);

    static List<Experiment> Select(SqlSession session, Sql rest, PageOrder? keys = null, int last = 0, Action<object[]>? seen = null)
    {
        var count = 0;
        var found = session.Query($"select e.id, e.name, e.artifact_location, e.lifecycle, e.created, e.updated{(keys is null ? Sql.Raw("") : (Sql)$", {keys.Columns}")} from experiment e {rest}", row =>
        {
            if (++count == last && keys is not null) seen!(keys.Read(row, 6));
            return new Experiment(row.Number(0), row.Text(1), row.Text(2), row.Text(3) == "deleted", row.Time(4), row.Time(5), new List<KeyValuePair<string, string>>());
        });
        if (found.Count == 0) return found;
        var byId = found.ToDictionary(e => e.Id, e => (List<KeyValuePair<string, string>>)e.Tags);
        foreach (var some in found.Chunk(500))
            session.Query($"select experiment, key, value from experiment_tag where experiment in ({Sql.Join(", ", some.Select(e => (Sql)$"{e.Id}"))}) order by experiment, key", row =>
            {
                byId[row.Number(0)].Add(new(row.Text(1), row.Text(2)));
                return 0;
            });
        return found;
    }
}
