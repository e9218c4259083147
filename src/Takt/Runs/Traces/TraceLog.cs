using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs.Traces;

/// <summary>Traces as tracing clients send and read them, by MLflow's rules. A call that has returned is durable.</summary>
/// <param name="deleted">Deleted experiments take traces too, as when they are copied from elsewhere.</param>
public sealed class TraceLog(Database database, TimeProvider time, Workspace workspace = default, bool deleted = false)
{
    public const string Ok = "OK";
    public const string Error = "ERROR";
    public const string Running = "IN_PROGRESS";
    public const string Unspecified = "STATE_UNSPECIFIED";

    /// <summary>Links of one call.</summary>
    public const int MostLinks = 100;

    /// <summary>The traces of another workspace.</summary>
    public TraceLog In(Workspace other) => other == workspace ? this : new(database, time, other);

    /// <summary>
    /// Keeps what a client tells of a trace as a whole: the trace's own facts, which later spans no longer change. Spans that came first stay, and come into the experiment that is told:
    /// an exporter sends a child's spans before the trace's destination is known.
    /// </summary>
    /// <param name="inDatabase">The spans come by <see cref="AddSpans"/>; false: as a file that the client uploads itself, as 2.x does.</param>
    /// <exception cref="TaktException">NotFound or Invalid: the experiment is not there or not active.</exception>
    public Task<TraceInfo> Start(TraceInfo trace, bool inDatabase = true) => database.Write(session =>
    {
        var experiment = Experiments.Resolve(session, trace.Experiment, time, workspace);
        var location = Experiments.CheckActive(session, experiment, time, workspace, deleted);
        var there = Find(session, trace.Id);
        if (there is null) Add(session, trace, experiment, told: true);
        else
            session.Execute($"""
                update trace set experiment = {experiment}, client_request = {trace.ClientRequest ?? there.ClientRequest}, request_preview = {trace.RequestPreview ?? there.RequestPreview},
                    response_preview = {trace.ResponsePreview ?? there.ResponsePreview}, started = {trace.Started}, duration = {trace.Duration ?? there.Duration}, state = {trace.State}, told = 1
                where id = {trace.Id}
                """);
        foreach (var (key, value) in trace.Tags) TraceRows.Put(session, "trace_tag", trace.Id, key, value);
        TraceRows.Put(session, "trace_tag", trace.Id, TraceKeys.ArtifactLocation, $"{location}/traces/{trace.Id}/artifacts");
        if (inDatabase) TraceRows.Put(session, "trace_tag", trace.Id, TraceKeys.SpansLocation, TraceKeys.SpansInDatabase);
        foreach (var (key, value) in trace.Metadata) TraceRows.Put(session, "trace_metadata", trace.Id, key, value);
        foreach (var assessment in trace.Assessments) Assessments.Insert(session, assessment with { Trace = trace.Id }, time);
        return TraceRows.Read(session, $"where t.id = {trace.Id}")[0];
    });

    /// <summary>Ends a trace that a 2.x client started.</summary>
    /// <param name="ended">Unix milliseconds.</param>
    public Task<TraceInfo> End(string id, long ended, string state, IReadOnlyList<KeyValuePair<string, string>> metadata, IReadOnlyList<KeyValuePair<string, string>> tags) =>
        database.Write(session =>
        {
            var trace = Known(session, id, workspace);
            session.Execute($"update trace set duration = {ended - trace.Started}, state = {state} where id = {id}");
            foreach (var (key, value) in metadata) TraceRows.Put(session, "trace_metadata", id, key, value);
            foreach (var (key, value) in tags) TraceRows.Put(session, "trace_tag", id, key, value);
            return TraceRows.Read(session, $"where t.id = {id}")[0];
        });

    /// <summary>
    /// Keeps spans of any number of traces, all or none. A trace may come in parts, in any order and again: a span is one by its id. A trace that is not there
    /// yet is made; its times span those of its spans, and its root, when it comes, decides name, state and previews.
    /// </summary>
    /// <exception cref="TaktException">NotFound: the experiment. Invalid: a span has no ids.</exception>
    /// <param name="parts">They are this server's part of traces that others began, and perhaps tell to somebody else.</param>
    public Task AddSpans(long experiment, IReadOnlyList<NewSpan> spans, bool parts = false)
    {
        var traces = spans.Select(SpanText.Of).GroupBy(s => s.Trace).Select(g => new SpanGroup(g.Key, [.. g], parts)).ToList();
        return database.Write(session =>
        {
            string? location = null;
            foreach (var group in traces)
            {
                var there = Find(session, group.Trace);
                if (there is null) Make(session, group, experiment = Experiments.Resolve(session, experiment, time, workspace), location ??= Experiments.CheckActive(session, experiment, time, workspace, deleted));
                else Widen(session, group, there);
                foreach (var span in group.Spans) Insert(session, span);
                if (group.Entry is { } root && session.Number($"select 1 from trace_tag where trace = {group.Trace} and key = {TraceKeys.Name}") is null)
                    TraceRows.Put(session, "trace_tag", group.Trace, TraceKeys.Name, root.Name);
            }
        });
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public TraceInfo Get(string id) => database.Read(session => Known(session, id, workspace));

    /// <summary>Those that are there, in the order of the ids.</summary>
    public List<TraceInfo> Get(IReadOnlyList<string> ids) => database.Read(session => Ordered(session, ids));

    /// <summary>Traces with their spans, root first and then by time, those that are there, in the order of the ids.</summary>
    public List<(TraceInfo Trace, List<Span> Spans)> WithSpans(IReadOnlyList<string> ids) => database.Read(session =>
    {
        var traces = Ordered(session, ids).ConvertAll(t => (t, new List<Span>()));
        var byId = traces.ToDictionary(t => t.t.Id, t => t.Item2, StringComparer.Ordinal);
        foreach (var some in byId.Keys.Chunk(TraceRows.Together))
        {
            var within = Sql.Join(", ", some.Select(id => (Sql)$"{id}"));
            session.Query($"""
                select trace, id, parent, name, type, status, started, ended, content from trace_span where trace in ({within})
                order by trace, case when parent is null then 0 else 1 end, started, id
                """, row =>
            {
                byId[row.Text(0)].Add(new Span(row.Text(0), row.Text(1), row.TextOrNull(2), row.Text(3), row.TextOrNull(4), row.Text(5), row.Number(6), row.NumberOrNull(7), row.Text(8)));
                return true;
            });
        }
        return traces;
    });

    /// <summary>Whether all spans that the client counted have come. None of those that a 2.x client keeps as a file ever does.</summary>
    public static bool Complete(TraceInfo trace, int spans)
    {
        if (spans == 0 && trace.Tag(TraceKeys.SpansLocation) != TraceKeys.SpansInDatabase) return false;
        if (trace.Fact(TraceKeys.SizeStats) is not { } stats) return true;
        try
        {
            using var json = JsonDocument.Parse(stats);
            return json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("num_spans", out var count)
                || count.ValueKind != JsonValueKind.Number || !count.TryGetInt64(out var expected) || spans >= expected;
        }
        catch (JsonException)
        {
            return true;
        }
    }

    public TracePage Search(TraceQuery query) => database.Read(session => TraceSearch.Run(session, query, workspace));

    /// <summary>How far two filters go together among the traces of experiments.</summary>
    public TraceCorrelation Correlate(IReadOnlyList<long> experiments, string filter1, string filter2, string? within) =>
        database.Read(session => TraceSearch.Correlate(session, experiments, filter1, filter2, within, workspace));

    public Task SetTag(string id, string key, string value) => database.Write(session =>
    {
        Known(session, id, workspace);
        TraceRows.Put(session, "trace_tag", id, key, value);
    });

    /// <exception cref="TaktException">NotFound: the trace or its tag.</exception>
    public Task DeleteTag(string id, string key) => database.Write(session =>
    {
        if (TraceRows.Find(session, id, workspace) is null || session.Execute($"delete from trace_tag where trace = {id} and key = {key}") == 0)
            throw TaktException.NotFound($"No trace tag with key '{key}' for trace with ID '{id}'");
    });

    /// <summary>Deletes traces of an experiment with all that belongs to them: these, or the oldest up to a time.</summary>
    /// <param name="upTo">Unix milliseconds, inclusive.</param>
    /// <returns>How many there were.</returns>
    public Task<long> Delete(long experiment, IReadOnlyList<string> ids, long? upTo, long? most) => database.Write(session =>
    {
        Sql within = $"t.workspace = {workspace} and t.experiment = {Experiments.Resolve(session, experiment, time, workspace)}";
        within = $"{within} and t.state <> {TraceRows.Expected}";
        if (upTo is not null) within = $"{within} and t.started <= {upTo}";
        if (ids.Count == 0) return Delete(session, $"{within} order by t.started limit {most ?? long.MaxValue}");
        return ids.Distinct().Chunk(TraceRows.Together).Sum(some => Delete(session, $"{within} and t.id in ({Sql.Join(", ", some.Select(id => (Sql)$"{id}"))})"));
    });

    /// <summary>Links traces to a run. Clients tell of traces in the background, and may link first: the link holds from when its trace is told of, and until then there is no trace.</summary>
    /// <exception cref="TaktException">NotFound: the run. Invalid: too many.</exception>
    public Task LinkToRun(IReadOnlyList<string> ids, string run)
    {
        if (ids.Count == 0) return Task.CompletedTask;
        if (ids.Count > MostLinks) throw TaktException.Invalid($"Cannot link more than {MostLinks} traces to a run in a single request. Provided {ids.Count} traces.");
        return database.Write(session =>
        {
            var experiment = (RunReader.Info(session, run, workspace) ?? throw TaktException.NotFound($"Run with id={run} not found")).Experiment;
            foreach (var id in ids.Distinct(StringComparer.Ordinal))
            {
                if (Find(session, id) is null) Expect(session, id, experiment);
                TraceRows.Link(session, id, "run", run);
            }
        });
    }

    /// <param name="prompts">NAME/VERSION each.</param>
    public Task LinkPrompts(string id, IReadOnlyList<string> prompts)
    {
        if (prompts.Count > MostLinks) throw TaktException.Invalid($"Cannot link more than {MostLinks} prompts to a trace in a single request. Provided {prompts.Count} prompts.");
        return database.Write(session =>
        {
            Known(session, id, workspace);
            foreach (var prompt in prompts) TraceRows.Link(session, id, "prompt", prompt);
        });
    }

    long Delete(SqlSession session, Sql which)
    {
        var found = session.Query($"select t.id, x.value from trace t left join trace_tag x on x.trace = t.id and x.key = {TraceKeys.ArtifactLocation} where {which}",
            row => (Id: row.Text(0), Artifacts: row.TextOrNull(1)));
        foreach (var (id, artifacts) in found)
        {
            session.Execute($"delete from trace where id = {id}");
            // files of its own, such as the spans that a 2.x client uploads
            if (FilesOf(id, artifacts, workspace) is { } folder) session.Execute($"delete from artifact_file where path >= {folder + "/"} and path < {folder + "0"}");
        }
        return found.Count;
    }

    /// <summary>The folder of a trace's own files; null: it has none on this server. The tag is a client's to write, so it is believed only where a trace's files can be.</summary>
    public static string? FilesOf(string id, string? location, Workspace workspace) =>
        location is not null && ArtifactFiles.PathOf(location) is { } path && path.EndsWith($"/traces/{id}/artifacts", StringComparison.Ordinal) ? ArtifactFiles.ScopedOrNull(workspace, path) : null;

    internal static TaktException Unknown(string id) => TaktException.NotFound($"Trace with ID '{id}' not found.");

    internal static TraceInfo Known(SqlSession session, string id, Workspace workspace) =>
        TraceRows.Read(session, $"where t.id = {id} and t.workspace = {workspace} and t.state <> {TraceRows.Expected}").FirstOrDefault() ?? throw Unknown(id);

    List<TraceInfo> Ordered(SqlSession session, IReadOnlyList<string> ids)
    {
        var found = new Dictionary<string, TraceInfo>(StringComparer.Ordinal);
        foreach (var some in ids.Distinct().Chunk(TraceRows.Together))
        {
            var within = Sql.Join(", ", some.Select(id => (Sql)$"{id}"));
            foreach (var trace in TraceRows.Read(session, $"where t.id in ({within}) and t.workspace = {workspace} and t.state <> {TraceRows.Expected}")) found[trace.Id] = trace;
        }
        return [.. ids.Distinct().Where(found.ContainsKey).Select(id => found[id])];
    }

    // ids are a client's own: one that another workspace has is none for this one
    TraceRow? Find(SqlSession session, string id)
    {
        if (TraceRows.Find(session, id, workspace) is { } there) return there;
        return session.Number($"select 1 from trace where id = {id} and state <> {TraceRows.Expected}") is null ? null : throw TaktException.Invalid($"The trace id {id} is taken; a trace's id must be unique on the server");
    }

    // the row that a link needs; it goes with the experiment of the run
    void Expect(SqlSession session, string id, long experiment) => session.Execute($"""
        insert into trace(id, workspace, experiment, started, state, told) values({id}, {workspace}, {experiment}, 0, {TraceRows.Expected}, 0) on conflict(id) do nothing
        """);

    // in the place of the row that a link has made, if one has
    void Add(SqlSession session, TraceInfo trace, long experiment, bool told) => session.Execute($"""
        insert into trace(id, workspace, experiment, client_request, request_preview, response_preview, started, duration, state, told)
        values({trace.Id}, {workspace}, {experiment}, {trace.ClientRequest}, {trace.RequestPreview}, {trace.ResponsePreview}, {trace.Started}, {trace.Duration}, {trace.State}, {told})
        on conflict(id) do update set workspace = excluded.workspace, experiment = excluded.experiment, client_request = excluded.client_request, request_preview = excluded.request_preview,
            response_preview = excluded.response_preview, started = excluded.started, duration = excluded.duration, state = excluded.state, told = excluded.told
        """);

    void Make(SqlSession session, SpanGroup group, long experiment, string location)
    {
        Add(session, new TraceInfo
        {
            Id = group.Trace,
            Experiment = experiment,
            RequestPreview = group.Request,
            ResponsePreview = group.Response,
            Started = group.Started,
            Duration = group.Ended - group.Started,
            State = group.State ?? Running,
        }, experiment, told: false);
        TraceRows.Put(session, "trace_tag", group.Trace, TraceKeys.SpansLocation, TraceKeys.SpansInDatabase);
        TraceRows.Put(session, "trace_tag", group.Trace, TraceKeys.ArtifactLocation, $"{location}/traces/{group.Trace}/artifacts");
        if (group.Tokens is { } tokens) TraceRows.Put(session, "trace_metadata", group.Trace, TraceKeys.TokenUsage, tokens.ToString());
    }

    static void Widen(SqlSession session, SpanGroup group, TraceRow there)
    {
        var (started, ended) = (there.Started, there.Started + there.Duration);
        if (!there.Told)
        {
            started = Math.Min(started, group.Started);
            ended = ended is null || group.Ended > ended ? group.Ended ?? ended : ended;
        }
        var state = there.State is Running or Unspecified && group.State is { } told ? told : there.State;
        session.Execute($"""
            update trace set started = {started}, duration = {ended - started}, state = {state}, request_preview = {there.RequestPreview ?? group.Request},
                response_preview = {there.ResponsePreview ?? group.Response}
            where id = {group.Trace}
            """);
        TraceRows.Put(session, "trace_tag", group.Trace, TraceKeys.SpansLocation, TraceKeys.SpansInDatabase);
        if (group.Tokens is not { } tokens) return;
        var before = session.Text($"select value from trace_metadata where trace = {group.Trace} and key = {TraceKeys.TokenUsage}");
        if (before is not null && there.Told) return;
        // a span that comes again is not counted again
        var again = TraceRows.Tokens(session, group.Trace, group.Spans);
        TraceRows.Put(session, "trace_metadata", group.Trace, TraceKeys.TokenUsage, (TokenCounts.Parse(before) + tokens - again).ToString());
    }

    static void Insert(SqlSession session, Span span) => session.Execute($"""
        insert into trace_span(trace, id, parent, name, type, status, started, ended, content)
        values({span.Trace}, {span.Id}, {span.Parent}, {span.Name}, {span.Type}, {span.Status}, {span.Started}, {span.Ended}, {span.Content})
        on conflict(trace, id) do update set parent = excluded.parent, name = excluded.name, type = excluded.type, status = excluded.status,
            started = excluded.started, ended = excluded.ended, content = excluded.content
        """);
}
