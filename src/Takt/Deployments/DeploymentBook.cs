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
            on conflict(endpoint) do update set spec = excluded.spec, updated = excluded.updated, stopped = null
            """);
        foreach (var active in Rollouts(session, spec.Endpoint, newest: true).Where(r => r.Active))
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
    /// <param name="look">The evidence that it follows from, kept with it.</param>
    /// <returns>False when somebody was first.</returns>
    public Task<bool> Move(Rollout before, Rollout after, string kind, string? detail = null, bool makeLive = false, Action<SqlSession>? also = null, RolloutLook? look = null) => database.Write(session =>
    {
        var now = Rollouts(session, before.Endpoint, before.Number).FirstOrDefault();
        if (now is null || now.State != before.State || now.Step != before.Step) return false;
        Update(session, after, kind, detail);
        if (makeLive) session.Execute($"update deployment set live = {after.Revision}, updated = {time.GetUtcNow()} where endpoint = {after.Endpoint}");
        if (after.JudgedFrom != before.JudgedFrom) session.Execute($"delete from rollout_count where endpoint = {after.Endpoint} and rollout = {after.Number}");
        if (look is not null) AddLook(session, after.Endpoint, look with { Kind = kind });
        also?.Invoke(session);
        return true;
    });

    /// <summary>Writes down what an analysis saw, without moving anything.</summary>
    public Task Note(Rollout rollout, string kind, string detail) => database.Write(session => AddEvent(session, rollout, kind, detail));

    /// <summary>Pauses, resumes, promotes or aborts the rollout under way.</summary>
    /// <param name="state">Paused, Rolling (resume; where it waits for an approval, that is given), Promoting or Aborted.</param>
    /// <exception cref="TaktException">NotFound: no deployment. Conflict: there is no rollout that this can be done to.</exception>
    public async Task<Rollout> Command(string endpoint, RolloutState state)
    {
        var now = time.GetUtcNow();
        var rollout = Get(endpoint).Rollout;
        var (fits, kind) = state switch
        {
            RolloutState.Paused => (rollout?.State == RolloutState.Rolling, "paused"),
            RolloutState.Rolling => (rollout?.State is RolloutState.Paused or RolloutState.Waiting, "resumed"),
            RolloutState.Promoting => (rollout is { Active: true, State: not RolloutState.Promoting }, "promoted"),
            _ => (rollout is { Active: true }, "aborted"),
        };
        if (!fits) throw TaktException.Conflict($"the rollout of '{endpoint}' is {rollout?.State.ToString().ToLowerInvariant() ?? "not there"}; it can't be {kind}");
        var after = state switch
        {
            RolloutState.Aborted => rollout! with { State = state, Evidence = "aborted by hand", StepStartedAt = now },
            RolloutState.Paused => rollout! with { State = state, Evidence = "paused by hand", StepStartedAt = now },
            RolloutState.Promoting => rollout! with { State = state, Evidence = "promoted by hand" },
            // what paused it counts no more: it is judged by what comes now
            RolloutState.Rolling when rollout!.State == RolloutState.Paused => rollout with { State = state, StepStartedAt = now, JudgedFrom = now },
            _ => rollout! with { State = state, StepStartedAt = now, Step = rollout.Step + 1 },
        };
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
            ?? throw TaktException.Conflict($"'{endpoint}' has no earlier revision to go back to{(deployment.Rollout is { Active: true } ? $"; 'takt deploy abort {endpoint}' ends the rollout that is under way" : "")}");
        return await Deploy(previous.Spec with { Canary = [1], StepRequests = 0, StepTime = TimeSpan.Zero, Shadow = null, Analysis = null, Strategy = "rollback" }, previous.Model);
    }

    /// <summary>No server serves it until <see cref="Start"/> or the next <see cref="Deploy"/>; its revisions and its log stay.</summary>
    /// <exception cref="TaktException">NotFound. Conflict: a rollout is under way.</exception>
    public async Task Stop(string endpoint)
    {
        if (Get(endpoint).Rollout is { Active: true }) throw TaktException.Conflict($"a rollout of '{endpoint}' is under way; end it first: `takt deploy promote {endpoint}` or `abort`");
        await database.Write(session => session.Execute($"update deployment set stopped = {time.GetUtcNow()}, updated = {time.GetUtcNow()} where endpoint = {endpoint} and stopped is null"));
    }

    /// <summary>Serves it again, as it was.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    public async Task Start(string endpoint)
    {
        _ = Get(endpoint);
        await database.Write(session => session.Execute($"update deployment set stopped = null, updated = {time.GetUtcNow()} where endpoint = {endpoint} and stopped is not null"));
    }

    /// <summary>Takes the endpoint away with its revisions and rollouts; its prediction log stays.</summary>
    public Task Delete(string endpoint) => database.Write(session =>
    {
        foreach (var table in (string[])["rollout_event", "rollout_count", "rollout_look", "rollout_lease", "replica_revision"]) session.Execute($"delete from {Sql.Raw(table)} where endpoint = {endpoint}");
        session.Execute($"delete from rollout where endpoint = {endpoint}");
        session.Execute($"delete from revision where endpoint = {endpoint}");
        session.Execute($"delete from deployment where endpoint = {endpoint}");
    });

    /// <summary>Adds to what all servers have counted; nothing when the step that it was counted in is over.</summary>
    /// <param name="server">Whose row it is: written again, it replaces what stood there.</param>
    internal Task Put(Rollout rollout, string server, StepFigures figures)
    {
        var body = figures.ToJson();
        return database.Write(session =>
        {
            if (Rollouts(session, rollout.Endpoint, rollout.Number).FirstOrDefault() is not { } now || now.JudgedFrom != rollout.JudgedFrom) return;
            session.Execute($"""
                insert into rollout_count(endpoint, rollout, step, server, body, updated) values({rollout.Endpoint}, {rollout.Number}, {rollout.Step}, {server}, {body}, {time.GetUtcNow()})
                on conflict(endpoint, rollout, step, server) do update set body = excluded.body, updated = excluded.updated
                """);
        });
    }

    /// <summary>What was counted in each step, and by whom.</summary>
    public IReadOnlyList<(int Step, string Server, StepFigures Figures)> Figures(string endpoint, int rollout) => database.Read(session => session.Query(
        $"select step, server, body from rollout_count where endpoint = {endpoint} and rollout = {rollout} order by step, server", row => ((int)row.Number(0), row.Text(1), StepFigures.Parse(row.Text(2)))));

    /// <summary>The evidence over the rollout's time, the oldest first.</summary>
    public IReadOnlyList<RolloutLook> Looks(string endpoint, int rollout) => database.Read(session => session.Query(
        $"select step, kind, body, time from rollout_look where endpoint = {endpoint} and rollout = {rollout} order by seq", row =>
        {
            var body = JsonSerializer.Deserialize(row.Text(2), DeploymentsJson.Default.LookBody)!;
            return new RolloutLook(rollout, (int)row.Number(0), row.Text(1), body.Share, body.Challenger, body.Champion, body.Evidence, row.Time(3));
        }));

    internal Task Add(string endpoint, RolloutLook look) => database.Write(session => AddLook(session, endpoint, look));

    static void AddLook(SqlSession session, string endpoint, RolloutLook look) => session.Execute($"""
        insert into rollout_look(endpoint, rollout, seq, step, kind, body, time)
        values({endpoint}, {look.Rollout}, {(session.Number($"select max(seq) from rollout_look where endpoint = {endpoint} and rollout = {look.Rollout}") ?? 0) + 1}, {look.Step}, {look.Kind},
               {JsonSerializer.Serialize(new LookBody(look.Share, look.Challenger, look.Champion, look.Evidence), DeploymentsJson.Default.LookBody)}, {look.Time})
        """);

    /// <summary>From now on these answers are slow, on all servers.</summary>
    internal Task SetOver(Rollout rollout, double ms) => database.Write(session => session.Execute(
        $"update rollout set over_ms = {ms} where endpoint = {rollout.Endpoint} and number = {rollout.Number} and over_ms is null"));

    /// <summary>Of several servers one drives a rollout; when it is gone, another one does after <paramref name="life"/>.</summary>
    /// <returns>Whether <paramref name="owner"/> is the one.</returns>
    internal Task<bool> Lease(string endpoint, string owner, TimeSpan life) => database.Write(session =>
    {
        var (now, until) = (time.GetUtcNow(), time.GetUtcNow() + life);
        return session.Execute($"""
            insert into rollout_lease(endpoint, owner, until) values({endpoint}, {owner}, {until})
            on conflict(endpoint) do update set owner = excluded.owner, until = excluded.until where rollout_lease.owner = {owner} or rollout_lease.until < {now}
            """) > 0;
    });

    static Deployment? Find(SqlSession session, string endpoint)
    {
        var row = session.First($"select live, created, updated, stopped from deployment where endpoint = {endpoint}", r => Tuple.Create((int?)r.NumberOrNull(0), r.Time(1), r.Time(2), r.TimeOrNull(3)));
        if (row is null) return null;
        var rollout = Rollouts(session, endpoint, newest: true).FirstOrDefault();
        return new Deployment(endpoint, Find(session, endpoint, row.Item1),
            rollout is { Active: true } ? Find(session, endpoint, rollout.Revision) : null, rollout, row.Item2, row.Item3)
        { StoppedAt = row.Item4 };
    }

    static Revision? Find(SqlSession session, string endpoint, int? number) => number is null ? null : session.First(
        $"select endpoint, number, model, spec, created from revision where endpoint = {endpoint} and number = {number}", ReadRevision);

    /// <summary>The newest first; only the newest can be active.</summary>
    static List<Rollout> Rollouts(SqlSession session, string endpoint, int? number = null, bool newest = false) => session.Query($"""
        select number, revision, champion, state, step, step_started, evidence, created, updated, judged_from, over_ms from rollout
        where endpoint = {endpoint} and number >= {number ?? 0} and number <= {number ?? int.MaxValue} order by number desc limit {(newest ? 1 : int.MaxValue)}
        """, row => new Rollout(endpoint, (int)row.Number(0), (int)row.Number(1), (int?)row.NumberOrNull(2), row.Enum<RolloutState>(3), (int)row.Number(4),
            row.TimeOrNull(5), row.Text(6), row.Time(7), row.Time(8), row.TimeOrNull(9), row.RealOrNull(10)));

    void Update(SqlSession session, Rollout rollout, string kind, string? detail = null)
    {
        session.Execute($"""
            update rollout set state = {rollout.State}, step = {rollout.Step}, step_started = {rollout.StepStartedAt?.ToUnixTimeMilliseconds()},
                   judged_from = {rollout.JudgedFrom?.ToUnixTimeMilliseconds()}, over_ms = {rollout.OverMs}, evidence = {rollout.Evidence}, updated = {time.GetUtcNow()}
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
