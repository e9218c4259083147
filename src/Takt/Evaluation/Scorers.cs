using Takt.Runs;
using Takt.Storage;

namespace Takt.Evaluation;

/// <summary>Judges that clients keep with an experiment: a name, and a new version for each registration.</summary>
public sealed class Scorers(Database database, TimeProvider time)
{
    const string Columns = "s.id, s.experiment, s.name, v.version, v.definition, v.created from scorer s join scorer_version v on v.scorer = s.id";

    /// <exception cref="TaktException">NotFound or Invalid: the experiment.</exception>
    public Task<ScorerVersion> Register(long experiment, string name, string definition) => database.Write(session =>
    {
        Experiments.CheckActive(session, experiment);
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
    public List<ScorerVersion> List(long experiment) => Read(experiment, session => Select(session, $"""
        where s.experiment = {experiment} and v.version = (select max(w.version) from scorer_version w where w.scorer = s.id) order by s.name
        """));

    /// <summary>Every version, the oldest first.</summary>
    public List<ScorerVersion> Versions(long experiment, string name) => Read(experiment, session =>
    {
        var found = Select(session, $"where s.experiment = {experiment} and s.name = {name} order by v.version");
        return found.Count > 0 ? found : throw Unknown(experiment, name, null);
    });

    /// <param name="version">Null: the newest.</param>
    public ScorerVersion Get(long experiment, string name, long? version) => Read(experiment, session =>
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
        Experiments.CheckActive(session, experiment);
        var id = session.Text($"select id from scorer where experiment = {experiment} and name = {name}") ?? throw Unknown(experiment, name, null);
        if (version is null) session.Execute($"delete from scorer where id = {id}");
        else if (session.Execute($"delete from scorer_version where scorer = {id} and version = {version}") == 0) throw Unknown(experiment, name, version);
    });

    T Read<T>(long experiment, Func<SqlSession, T> read) => database.Read(session =>
    {
        Experiments.CheckActive(session, experiment);
        return read(session);
    });

    static List<ScorerVersion> Select(SqlSession session, Sql rest) => session.Query($"select {Sql.Raw(Columns)} {rest}",
        row => new ScorerVersion(row.Text(0), row.Number(1), row.Text(2), row.Number(3), row.Text(4), row.Number(5)));

    static TaktException Unknown(long experiment, string name, long? version) =>
        TaktException.NotFound($"Scorer with name '{name}'{(version is null ? "" : $" and version {version}")} not found for experiment {experiment}.");
}
