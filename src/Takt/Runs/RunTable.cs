using System.Runtime.InteropServices;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>The SQL of runs, in the dialect that both engines share.</summary>
static class RunTable
{
    /// <summary>The one workspace until a client names another.</summary>
    public const string Workspace = "default";

    public const string ParentTag = "mlflow.parentRunId";
    public const string NameTag = "mlflow.runName";

    /// <summary>The experiment of this name, made when there is none.</summary>
    public static long Experiment(SqlSession session, string name, DateTimeOffset now, Workspace workspace = default)
    {
        if (session.Number($"select id from experiment where workspace = {workspace} and name = {name}") is { } id) return id;
        // 0 is MLflow's Default; renamed, it leaves its name to others
        id = name == "Default" && workspace.IsDefault && session.Number($"select id from experiment where id = {0}") is null ? 0 : Math.Max(1, (session.Number($"select max(id) from experiment") ?? 0) + 1);
        var root = session.Text($"select artifact_root from workspace where name = {workspace}");
        root = string.IsNullOrEmpty(root) ? "mlflow-artifacts:/" : root.TrimEnd('/') + "/";
        session.Execute($"""
            insert into experiment(id, workspace, name, artifact_location, lifecycle, created, updated)
            values({id}, {workspace}, {name}, {root + id}, {"active"}, {now}, {now})
            """);
        return id;
    }

    /// <summary>The workspace's Default, made when there is none. That of the default workspace is 0 under whatever name it has by now.</summary>
    public static long Default(SqlSession session, DateTimeOffset now, Workspace workspace) =>
        workspace.IsDefault ? session.Number($"select id from experiment where id = {0}") ?? Experiment(session, "Default", now, workspace) : Experiment(session, "Default", now, workspace);

    public static void Insert(SqlSession session, RunId id, StartRun start, DateTimeOffset now)
    {
        var experiment = Experiment(session, start.Experiment, now);
        var artifacts = $"mlflow-artifacts:/{experiment}/{id}/artifacts"; // a local: a nested $"" would be read as SQL
        session.Execute($"""
            insert into run(id, seq, experiment, name, user_id, status, lifecycle, started, parent, artifact_uri)
            values({id}, {NextSeq(session)}, {experiment}, {start.Name}, {""}, {RunStatus.RUNNING}, {"active"},
                   {now}, {start.Parent?.Value}, {artifacts})
            """);
        SetTag(session, id, NameTag, start.Name);
        if (start.Parent is { } parent) SetTag(session, id, ParentTag, parent.Value);
        foreach (var (key, value) in start.Tags ?? new Dictionary<string, string>()) SetTag(session, id, key, value);
    }

    /// <returns>False: there is no such run.</returns>
    public static bool End(SqlSession session, RunId run, RunStatus status, DateTimeOffset now) => session.Execute($"update run set status = {status}, ended = {now} where id = {run}") > 0;

    public static void SetTag(SqlSession session, RunId run, string key, string value) => session.Execute($"""
        insert into run_tag(run, key, value) values({run}, {key}, {value}) on conflict(run, key) do update set value = excluded.value
        """);

    /// <returns>Whether it was new.</returns>
    public static bool SetParam(SqlSession session, RunId run, string key, string value) => session.Execute($"""
        insert into run_param(run, key, value) values({run}, {key}, {value}) on conflict(run, key) do nothing
        """) > 0;

    /// <summary>Gives a run the params and metrics that one of its parts has and no other: whoever looks through runs looks for them there. What several parts have says nothing without the part's name.</summary>
    public static void TakeFromParts(SqlSession session, RunId run)
    {
        Sql Single(string table) => $"""
            from {Sql.Raw(table)} x join run part on part.id = x.run where part.parent = {run}
            and not exists(select 1 from {Sql.Raw(table)} y join run other on other.id = y.run where other.parent = {run} and y.key = x.key and y.run <> x.run)
            """;
        foreach (var (key, value) in session.Query($"select x.key, x.value {Single("run_param")}", Pair)) SetParam(session, run, key, value);
        foreach (var metric in session.Query($"select x.key, x.value, x.is_nan, x.step, x.time {Single("run_metric")}", Metric)) AddPoint(session, run, metric);
    }

    /// <summary>Counts runs in the order of their creation. PostgreSQL's servers would wait for each other at a maximum.</summary>
    public static Sql NextSeq(SqlSession session) =>
        Sql.Raw(session.Dialect == SqlDialect.PostgreSql ? "nextval('run_seq')" : "(select coalesce(max(seq), 0) + 1 from run)");

    public static void AddPoint(SqlSession session, RunId run, MetricValue point) => AddPoints(session, run.Value, session.Number($"select experiment from run where id = {run}") ?? 0,
        [new LoggedMetric(point.Key, point.Value, point.Step, point.Time.ToUnixTimeMilliseconds())]);

    /// <summary>Points of any keys: into one block for each key, and its newest point.</summary>
    public static void AddPoints(SqlSession session, string run, long experiment, IReadOnlyList<LoggedMetric> points)
    {
        if (points.Count == 1)
        {
            AddBlock(session, run, experiment, points[0].Key, [points[0].Point]);
            return;
        }
        var keys = new Dictionary<string, List<MetricPoint>>(StringComparer.Ordinal);
        foreach (var point in points)
        {
            if (!keys.TryGetValue(point.Key, out var list)) keys[point.Key] = list = [];
            list.Add(point.Point);
        }
        foreach (var (key, list) in keys) AddBlock(session, run, experiment, key, CollectionsMarshal.AsSpan(list));
    }

    static void AddBlock(SqlSession session, string run, long experiment, string key, ReadOnlySpan<MetricPoint> points)
    {
        var newest = Stored(points[0]);
        foreach (var point in points)
            if (Stored(point) is var other && (other.Step, other.Time, other.Value).CompareTo((newest.Step, newest.Time, newest.Value)) >= 0) newest = other;
        var bytes = MetricBlock.Encode(points);
        if (session.Dialect == SqlDialect.PostgreSql)
            session.Execute($"insert into metric_block(run, key, seq, points) values({run}, {key}, nextval('metric_block_seq'), {bytes})");
        else Append(session, run, key, bytes);
        session.Execute($"""
            insert into run_metric(run, key, value, is_nan, step, time, experiment) values({run}, {key}, {newest.Value}, {newest.IsNaN}, {newest.Step}, {newest.Time}, {experiment})
            on conflict(run, key) do update set value = excluded.value, is_nan = excluded.is_nan, step = excluded.step, time = excluded.time
            where (excluded.step, excluded.time, excluded.value) >= (run_metric.step, run_metric.time, run_metric.value)
            """);

        static (long Step, long Time, double Value, bool IsNaN) Stored(MetricPoint point) => (point.Step, point.Time, double.IsNaN(point.Value) ? 0 : point.Value, double.IsNaN(point.Value));
    }

    // points that come one by one fill block 0, which is closed by getting the next number: a row a point would be three times the bytes and slower to read
    static void Append(SqlSession session, string run, string key, byte[] points)
    {
        const int OpenBlock = 864; // 36 points; a longer row would need a second page of the file
        if (points.Length <= OpenBlock / 2)
        {
            if (session.Execute($"""
                insert into metric_block(run, key, seq, points) values({run}, {key}, 0, {points})
                on conflict(run, key, seq) do update set points = cast(metric_block.points || excluded.points as blob) where length(metric_block.points) <= {OpenBlock - points.Length}
                """) > 0) return;
            session.Execute($"""
                update metric_block set seq = (select max(seq) + 1 from metric_block where run = {run} and key = {key}) where run = {run} and key = {key} and seq = 0
                """);
            session.Execute($"insert into metric_block(run, key, seq, points) values({run}, {key}, 0, {points})");
        }
        else session.Execute($"""
            insert into metric_block(run, key, seq, points)
            values({run}, {key}, (select coalesce(max(seq), 0) + 1 from metric_block where run = {run} and key = {key}), {points})
            """);
    }

    const string Columns = "r.id, e.name, r.name, r.status, r.started, r.ended, r.parent";

    /// <summary>Runs without their params, metrics, tags and artifacts.</summary>
    public static List<RunDetail> Select(SqlSession session, Sql where) =>
        session.Query($"select {Sql.Raw(Columns)} from run r join experiment e on e.id = r.experiment {where}", row => new RunDetail
        {
            Id = new RunId(row.Text(0)),
            Experiment = row.Text(1),
            Name = row.Text(2),
            Status = row.Enum<RunStatus>(3),
            StartedAt = row.Time(4),
            EndedAt = row.TimeOrNull(5),
            Parent = row.TextOrNull(6) is { } parent ? new RunId(parent) : null,
            Params = new Dictionary<string, string>(),
            Metrics = new Dictionary<string, MetricValue>(),
            Tags = new Dictionary<string, string>(),
            Artifacts = [],
        });

    public static RunDetail Fill(SqlSession session, RunDetail run) => run with
    {
        Params = session.Query($"select key, value from run_param where run = {run.Id} order by key", Pair).ToDictionary(),
        Tags = session.Query($"select key, value from run_tag where run = {run.Id} order by key", Pair).ToDictionary(),
        Metrics = session.Query($"select key, value, is_nan, step, time from run_metric where run = {run.Id} order by key", Metric).ToDictionary(m => m.Key),
        Artifacts = session.Query($"select path, digest, size from artifact where run = {run.Id} order by path",
            row => new Artifact(row.Text(0), row.Digest(1), row.Number(2))),
    };

    static KeyValuePair<string, string> Pair(SqlRow row) => new(row.Text(0), row.Text(1));

    static MetricValue Metric(SqlRow row) => new(row.Text(0), row.Flag(2) ? double.NaN : row.Real(1), row.Number(3), row.Time(4));
}
