using Takt.Runs;
using Takt.Runs.Traces;
using Takt.Storage;

namespace Takt.Evaluation;

/// <summary>Judges that clients keep with an experiment: a name, and a new version for each registration.</summary>
public sealed class Scorers(Database database, TimeProvider time, Workspace workspace = default)
{
    const string Columns = "s.id, s.experiment, s.name, v.version, v.definition, v.created from scorer s join scorer_version v on v.scorer = s.id";

    /// <summary>Those of another workspace.</summary>
    public Scorers In(Workspace other) => other == workspace ? this : new(database, time, other);

    /// <exception cref="TaktException">NotFound or Invalid: the experiment.</exception>
    public Task<ScorerVersion> Register(long experiment, string name, string definition) => database.Write(session =>
    {
        experiment = Active(session, experiment);
        var id = session.Text($"select id from scorer where experiment = {experiment} and name = {name}");
        if (id is null)
        {
            id = Guid.NewGuid().ToString();
            session.Execute($"insert into scorer(id, experiment, name) values({id}, {experiment}, {name})");
        }
        var version = (session.Number($"select max(version) from scorer_version where scorer = {id}") ?? 0) + 1;
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        session.Execute($"insert into scorer_version(scorer, version, definition, created) values({id}, {version}, {definition}, {now})");
        return new ScorerVersion(id, experiment, name, version, definition, now);
    });

    /// <summary>The newest version of each, by name.</summary>
    public List<ScorerVersion> List(long experiment) => Read(experiment, (session, experiment) => Select(session, $"""
        where s.experiment = {experiment} and v.version = (select max(w.version) from scorer_version w where w.scorer = s.id) order by s.name
        """));

    /// <summary>Every version, the oldest first.</summary>
    public List<ScorerVersion> Versions(long experiment, string name) => Read(experiment, (session, experiment) =>
    {
        var found = Select(session, $"where s.experiment = {experiment} and s.name = {name} order by v.version");
        return found.Count > 0 ? found : throw Unknown(experiment, name, null);
    });

    /// <param name="version">Null: the newest.</param>
    public ScorerVersion Get(long experiment, string name, long? version) => Read(experiment, (session, experiment) =>
    {
        Sql which = version is null ? Sql.Raw("") : $"and v.version = {version}";
        var found = Select(session, $"where s.experiment = {experiment} and s.name = {name} {which} order by v.version desc limit 1").FirstOrDefault();
        if (found is not null) return found;
        var known = session.Text($"select id from scorer where experiment = {experiment} and name = {name}") is not null;
        throw Unknown(experiment, name, known ? version : null);
    });

    /// <param name="version">Null: all of them.</param>
    public Task Delete(long experiment, string name, long? version) => database.Write(session =>
    {
        experiment = Active(session, experiment);
        var id = session.Text($"select id from scorer where experiment = {experiment} and name = {name}") ?? throw Unknown(experiment, name, null);
        Sql which = version is null ? (Sql)$"scorer where id = {id} and exists(select 1 from scorer_version v where v.scorer = {id})" : (Sql)$"scorer_version where scorer = {id} and version = {version}";
        if (session.Execute($"delete from {which}") == 0) throw Unknown(experiment, name, version);
    });

    /// <summary>Sets how often a scorer judges incoming traces.</summary>
    /// <exception cref="TaktException">NotFound: the scorer. Invalid: the rate or the filter.</exception>
    public Task<OnlineScoring> SetOnline(long experiment, string name, double rate, string? filter)
    {
        if (rate is not (>= 0 and <= 1)) throw TaktException.Invalid($"sample_rate must be between 0.0 and 1.0, got {rate}");
        TraceFilter.Parse(filter, database.Dialect);
        return database.Write(session =>
        {
            experiment = Active(session, experiment);
            var scorer = session.Text($"select id from scorer where experiment = {experiment} and name = {name}") ?? throw Unknown(experiment, name, null);
            session.Execute($"""
                insert into online_scoring(scorer, id, sample_rate, filter) values({scorer}, {Guid.NewGuid().ToString("N")}, {rate}, {filter})
                on conflict(scorer) do update set sample_rate = excluded.sample_rate, filter = excluded.filter
                """);
            return Online(session, [scorer])[0];
        });
    }

    /// <summary>Of those that have one.</summary>
    public List<OnlineScoring> Online(IReadOnlyList<string> scorers) => scorers.Count == 0 ? [] : database.Read(session => Online(session, scorers));

    List<OnlineScoring> Online(SqlSession session, IReadOnlyList<string> scorers) => session.Query($"""
        select o.id, o.scorer, s.experiment, o.sample_rate, o.filter from online_scoring o join scorer s on s.id = o.scorer join experiment e on e.id = s.experiment and e.workspace = {workspace}
        where o.scorer in ({Sql.Join(", ", scorers.Select(s => (Sql)$"{s}"))}) order by s.name
        """, row => new OnlineScoring(row.Text(0), row.Text(1), row.Number(2), row.Real(3), row.TextOrNull(4)));

    T Read<T>(long experiment, Func<SqlSession, long, T> read) => database.Read(session =>
    {
        if (Experiments.Visible(session, [experiment], workspace) is not [var id]) throw Experiments.Unknown(experiment);
        Experiments.CheckActive(session, id, time, workspace);
        return read(session, id);
    });

    long Active(SqlSession session, long experiment)
    {
        experiment = Experiments.Resolve(session, experiment, time, workspace);
        Experiments.CheckActive(session, experiment, time, workspace);
        return experiment;
    }

    static List<ScorerVersion> Select(SqlSession session, Sql rest) => session.Query($"select {Sql.Raw(Columns)} {rest}",
        row => new ScorerVersion(row.Text(0), row.Number(1), row.Text(2), row.Number(3), row.Text(4), row.Number(5)));

    static TaktException Unknown(long experiment, string name, long? version) =>
        TaktException.NotFound($"Scorer with name '{name}'{(version is null ? "" : $" and version {version}")} not found for experiment {experiment}.");
}
