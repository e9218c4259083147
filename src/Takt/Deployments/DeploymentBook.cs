using System.Text.Json;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>What is desired of each endpoint, and how its rollouts went: rows that any server and any command may change.</summary>
public sealed class DeploymentBook(Database database, TimeProvider time)
{
    /// <summary>Makes a revision of the version and wants the traffic moved to it. A rollout still under way is superseded.</summary>
    /// <param name="model">Null for an LLM deployment.</param>
    public Task<Rollout> Deploy(DeploymentSpec spec, string? model) => database.Write(session =>
    {
        var now = time.GetUtcNow();
        var json = JsonSerializer.Serialize(spec, DeploymentsJson.Default.DeploymentSpec);
        session.Execute($"""
            insert into deployment(endpoint, spec, live, created, updated) values({spec.Endpoint}, {json}, null, {now}, {now})
            on conflict(endpoint) do update set spec = excluded.spec, updated = excluded.updated
            """);
        foreach (var active in Rollouts(session, spec.Endpoint).Where(r => r.Active))
            Update(session, active with { State = RolloutState.Superseded, Evidence = "a newer rollout took its place" }, "superseded");
        var revision = (int)(session.Number($"select max(number) from revision where endpoint = {spec.Endpoint}") ?? 0) + 1;
        session.Execute($"insert into revision(endpoint, number, model, spec, created) values({spec.Endpoint}, {revision}, {model}, {json}, {now})");
        var number = (int)(session.Number($"select max(number) from rollout where endpoint = {spec.Endpoint}") ?? 0) + 1;
        var champion = (int?)session.Number($"select live from deployment where endpoint = {spec.Endpoint}");
        var rollout = new Rollout(spec.Endpoint, number, revision, champion, RolloutState.Pending, 0, null, "", now, now);
        session.Execute($"""
            insert into rollout(endpoint, number, revision, champion, state, step, evidence, created, updated)
            values({spec.Endpoint}, {number}, {revision}, {champion}, {rollout.State}, {0}, {""}, {now}, {now})
            """);
        AddEvent(session, rollout, "created", model ?? spec.Upstream?.Model ?? "");
        return rollout;
    });

    /// <summary>In the order of their names.</summary>
    public IReadOnlyList<Deployment> List() => database.Read(session =>
        session.Query($"select endpoint from deployment order by endpoint", row => row.Text(0)).ConvertAll(endpoint => Find(session, endpoint)!));

    /// <summary>Their names, in order.</summary>
    public IReadOnlyList<string> Endpoints() => database.Read(session => session.Query($"select endpoint from deployment order by endpoint", row => row.Text(0)));

    /// <exception cref="TaktException">NotFound.</exception>
    public Deployment Get(string endpoint) => Find(endpoint) ?? throw TaktException.NotFound($"no deployment '{endpoint}'; `takt deploy list` shows those that there are");

    public Deployment? Find(string endpoint) => database.Read(session => Find(session, endpoint));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<Rollout> Rollouts(string endpoint) => database.Read(session => Rollouts(session, endpoint));

    public IReadOnlyList<Revision> Revisions(string endpoint) => database.Read(session => session.Query(
        $"select endpoint, number, model, spec, created from revision where endpoint = {endpoint} order by number desc", ReadRevision));

    /// <summary>The newest first.</summary>
    public IReadOnlyList<RolloutEvent> History(string endpoint, int limit = 100) => database.Read(session => session.Query(
        $"select rollout, kind, detail, time from rollout_event where endpoint = {endpoint} order by rollout desc, seq desc limit {limit}",
        row => new RolloutEvent((int)row.Number(0), row.Text(1), row.Text(2), row.Time(3))));

    /// <summary>Writes the rollout as it is now, if nobody has moved it since it was read.</summary>
    /// <param name="kind">The event; its detail is the rollout's evidence, or <paramref name="detail"/>.</param>
    /// <param name="also">Done in the same transaction.</param>
    /// <returns>False when somebody was first.</returns>
    public Task<bool> Move(Rollout before, Rollout after, string kind, string? detail = null, bool makeLive = false, Action<SqlSession>? also = null) => database.Write(session =>
    {
        var now = Rollouts(session, before.Endpoint).FirstOrDefault(r => r.Number == before.Number);
        if (now is null || now.State != before.State || now.Step != before.Step) return false;
        Update(session, after, kind, detail);
        if (makeLive) session.Execute($"update deployment set live = {after.Revision}, updated = {time.GetUtcNow()} where endpoint = {after.Endpoint}");
        also?.Invoke(session);
        return true;
    });

    /// <summary>Writes down what an analysis saw, without moving anything.</summary>
    public Task Note(Rollout rollout, string kind, string detail) => database.Write(session => AddEvent(session, rollout, kind, detail));

    /// <summary>Pauses, resumes or aborts the rollout under way.</summary>
    /// <exception cref="TaktException">NotFound: no deployment. Conflict: there is no rollout that this can be done to.</exception>
    public async Task<Rollout> Command(string endpoint, RolloutState state)
    {
        var rollout = Get(endpoint).Rollout;
        var (from, kind) = state switch
        {
            RolloutState.Paused => (RolloutState.Rolling, "paused"),
            RolloutState.Rolling => (RolloutState.Paused, "resumed"),
            _ => (RolloutState.Rolling, "aborted"),
        };
        var fits = rollout is not null && (rollout.State == from || (state == RolloutState.Aborted && rollout.Active));
        if (!fits) throw TaktException.Conflict($"the rollout of '{endpoint}' is {rollout?.State.ToString().ToLowerInvariant() ?? "not there"}; it can't be {kind}");
        var after = rollout! with { State = state, Evidence = state == RolloutState.Aborted ? "aborted by hand" : rollout.Evidence, StepStartedAt = time.GetUtcNow() };
        if (!await Move(rollout, after, kind)) throw TaktException.Conflict($"the rollout of '{endpoint}' has just moved; look again");
        return after;
    }

    /// <summary>Wants the revision before the present one back; it comes at once, without steps.</summary>
    /// <exception cref="TaktException">Conflict: there is none.</exception>
    public async Task<Rollout> RollBack(string endpoint)
    {
        var deployment = Get(endpoint);
        var previous = Rollouts(endpoint).Where(r => r.State == RolloutState.Succeeded && r.Revision != deployment.Live?.Number)
            .Select(r => Revisions(endpoint).FirstOrDefault(v => v.Number == r.Revision)).FirstOrDefault(r => r is not null)
            ?? throw TaktException.Conflict($"'{endpoint}' has no earlier revision to go back to");
        return await Deploy(previous.Spec with { Canary = [1], StepRequests = 0, StepTime = TimeSpan.Zero }, previous.Model);
    }

    /// <summary>Takes the endpoint away with its revisions and rollouts; its prediction log stays.</summary>
    public Task Delete(string endpoint) => database.Write(session =>
    {
        session.Execute($"delete from rollout_event where endpoint = {endpoint}");
        session.Execute($"delete from rollout where endpoint = {endpoint}");
        session.Execute($"delete from revision where endpoint = {endpoint}");
        session.Execute($"delete from deployment where endpoint = {endpoint}");
    });

    static Deployment? Find(SqlSession session, string endpoint)
    {
        var row = session.First($"select live, created, updated from deployment where endpoint = {endpoint}", r => Tuple.Create((int?)r.NumberOrNull(0), r.Time(1), r.Time(2)));
        if (row is null) return null;
        var rollout = Rollouts(session, endpoint).FirstOrDefault();
        return new Deployment(endpoint, Find(session, endpoint, row.Item1),
            rollout is { Active: true } ? Find(session, endpoint, rollout.Revision) : null, rollout, row.Item2, row.Item3);
    }

    static Revision? Find(SqlSession session, string endpoint, int? number) => number is null ? null : session.First(
        $"select endpoint, number, model, spec, created from revision where endpoint = {endpoint} and number = {number}", ReadRevision);

    static List<Rollout> Rollouts(SqlSession session, string endpoint) => session.Query($"""
        select number, revision, champion, state, step, step_started, evidence, created, updated from rollout where endpoint = {endpoint} order by number desc
        """, row => new Rollout(endpoint, (int)row.Number(0), (int)row.Number(1), (int?)row.NumberOrNull(2), row.Enum<RolloutState>(3), (int)row.Number(4),
            row.TimeOrNull(5), row.Text(6), row.Time(7), row.Time(8)));

    void Update(SqlSession session, Rollout rollout, string kind, string? detail = null)
    {
        session.Execute($"""
            update rollout set state = {rollout.State}, step = {rollout.Step}, step_started = {rollout.StepStartedAt?.ToUnixTimeMilliseconds()},
                   evidence = {rollout.Evidence}, updated = {time.GetUtcNow()}
            where endpoint = {rollout.Endpoint} and number = {rollout.Number}
            """);
        AddEvent(session, rollout, kind, detail ?? rollout.Evidence);
    }

    void AddEvent(SqlSession session, Rollout rollout, string kind, string detail) => session.Execute($"""
        insert into rollout_event(endpoint, rollout, seq, kind, detail, time)
        values({rollout.Endpoint}, {rollout.Number}, {(session.Number($"select max(seq) from rollout_event where endpoint = {rollout.Endpoint} and rollout = {rollout.Number}") ?? 0) + 1},
               {kind}, {detail}, {time.GetUtcNow()})
        """);

    static Revision ReadRevision(SqlRow row) => new(row.Text(0), (int)row.Number(1), row.TextOrNull(2),
        JsonSerializer.Deserialize(row.Text(3), DeploymentsJson.Default.DeploymentSpec)!, row.Time(4));
}
