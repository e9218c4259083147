using Takt.Storage;

namespace Takt.Runs.Traces;

/// <summary>The SQL of traces, in the dialect that both engines share.</summary>
static class TraceRows
{
    /// <summary>So many ids are asked for in one query.</summary>
    public const int Together = 500;

    /// <summary>Of a row that stands for a trace which a link names and nobody has told of yet: no trace, to whoever asks.</summary>
    public const string Expected = "EXPECTED";

    public const string Columns = "t.id, t.experiment, t.client_request, t.request_preview, t.response_preview, t.started, t.duration, t.state";

    public static TraceRow? Find(SqlSession session, string id, Workspace workspace) => session.First(
        $"select experiment, client_request, request_preview, response_preview, started, duration, state, told from trace where id = {id} and workspace = {workspace} and state <> {Expected}",
        row => new TraceRow(row.Number(0), row.TextOrNull(1), row.TextOrNull(2), row.TextOrNull(3), row.Number(4), row.NumberOrNull(5), row.Text(6), row.Flag(7)));

    public static List<TraceInfo> Read(SqlSession session, Sql rest) =>
        Filled(session, session.Query($"select {Sql.Raw(Columns)} from trace t {rest}", Info));

    public static TraceInfo Info(SqlRow row) => new()
    {
        Id = row.Text(0),
        Experiment = row.Number(1),
        ClientRequest = row.TextOrNull(2),
        RequestPreview = row.TextOrNull(3),
        ResponsePreview = row.TextOrNull(4),
        Started = row.Number(5),
        Duration = row.NumberOrNull(6),
        State = row.Text(7),
    };

    /// <summary>Adds tags, metadata and assessments: three queries for up to <see cref="Together"/> traces.</summary>
    public static List<TraceInfo> Filled(SqlSession session, List<TraceInfo> traces)
    {
        foreach (var some in traces.Chunk(Together))
        {
            var byId = some.ToDictionary(t => t.Id, StringComparer.Ordinal);
            var ids = Sql.Join(", ", some.Select(t => (Sql)$"{t.Id}"));
            Each($"select trace, key, value from trace_tag where trace in ({ids}) order by trace, key", (trace, row) => trace.Tags.Add(new(row.Text(1), row.Text(2))));
            Each($"select trace, key, value from trace_metadata where trace in ({ids}) order by trace, key", (trace, row) => trace.Metadata.Add(new(row.Text(1), row.Text(2))));
            foreach (var assessment in Assessments.Read(session, $"where trace in ({ids}) order by trace, created, seq")) byId[assessment.Trace].Assessments.Add(assessment);

            void Each(Sql sql, Action<TraceInfo, SqlRow> add) => session.Query(sql, row =>
            {
                add(byId[row.Text(0)], row);
                return true;
            });
        }
        return traces;
    }

    public static void Put(SqlSession session, string table, string trace, string key, string value) =>
        session.Execute($"insert into {Sql.Raw(table)}(trace, key, value) values({trace}, {SpanText.Storable(key)}, {SpanText.Storable(value)}) on conflict(trace, key) do update set value = excluded.value");

    public static void Link(SqlSession session, string trace, string kind, string target) =>
        session.Execute($"insert into trace_link(trace, kind, target) values({trace}, {kind}, {target}) on conflict(trace, kind, target) do nothing");

    public static List<string> Existing(SqlSession session, IReadOnlyList<string> ids, Workspace workspace) => ids.Count == 0 ? []
        : session.Query($"select id from trace where workspace = {workspace} and state <> {Expected} and id in ({Sql.Join(", ", ids.Distinct().Select(id => (Sql)$"{id}"))})", row => row.Text(0));

    /// <summary>What those of these spans count that are here already.</summary>
    public static TokenCounts Tokens(SqlSession session, string trace, List<Span> spans)
    {
        var sum = default(TokenCounts);
        foreach (var some in spans.Chunk(Together))
        {
            var within = Sql.Join(", ", some.Select(s => (Sql)$"{s.Id}"));
            var contents = session.Query($"select content from trace_span where trace = {trace} and id in ({within})", row => row.Text(0));
            sum += SpanGroup.Counted(contents.Select(content => some[0] with { Content = content })) ?? default;
        }
        return sum;
    }
}
