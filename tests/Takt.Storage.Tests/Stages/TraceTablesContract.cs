using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Takt.Evaluation;
using Takt.Runs;
using Takt.Runs.Traces;

namespace Takt.Storage.Tests.Stages;

/// <summary>Traces, assessments, evaluation sets and scorers on each engine.</summary>
public abstract class TraceTablesContract : IAsyncLifetime
{
    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;
    readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));
    Database _database = null!;
    long _experiment;

    protected abstract Task<Database> Open();

    public async ValueTask InitializeAsync()
    {
        _database = await Open();
        _experiment = await new Experiments(_database, _time).Create("chat", null, []);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    TraceLog Traces => new(_database, _time);

    Assessments Judged => new(_database, _time);

    [Fact]
    public async Task A_trace_that_comes_in_parts_is_one_trace_whose_root_decides_name_state_and_previews()
    {
        await Traces.AddSpans(_experiment, [Span(1, 2, parent: 1, "tool", 2_000, 3_000, type: "TOOL", tokens: 5)]);
        var part = Traces.Get(Id(1));
        Assert.Equal((TraceLog.Running, 2_000L, (long?)1_000, null), (part.State, part.Started, part.Duration, part.Tag(TraceKeys.Name)));

        await Traces.AddSpans(_experiment, [Span(1, 1, parent: 0, "ask", 1_000, 5_000, status: 2, inputs: """{"messages": [{"role": "user", "content": "wie spät?"}]}""")]);
        await Traces.AddSpans(_experiment, [Span(1, 2, parent: 1, "tool", 2_000, 3_000, type: "TOOL", tokens: 5)]); // again: nothing counts twice

        var (trace, spans) = Traces.WithSpans([Id(1)])[0];
        Assert.Equal((TraceLog.Error, 1_000L, (long?)4_000, "ask", "wie spät?"), (trace.State, trace.Started, trace.Duration, trace.Tag(TraceKeys.Name), trace.RequestPreview));
        Assert.Equal(["ask", "tool"], spans.Select(s => s.Name));
        Assert.Equal((null, "TOOL", 2_000_000_000L), (spans[0].Parent, spans[1].Type, spans[1].Started));
        Assert.Equal("""{"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}""", trace.Fact(TraceKeys.TokenUsage));
    }

    [Fact]
    public async Task What_a_client_tells_of_a_trace_is_not_changed_by_spans_that_come_later()
    {
        await Traces.AddSpans(_experiment, [Span(1, 1, 0, "root", 1_000, 2_000)]);
        await Traces.Start(New(Id(1), started: 900, duration: 5_000, tags: [new("a", "b")]));
        await Traces.AddSpans(_experiment, [Span(1, 2, 1, "late", 100, 90_000)]);
        var trace = Traces.Get(Id(1));
        Assert.Equal((900L, (long?)5_000, "b", "root"), (trace.Started, trace.Duration, trace.Tag("a"), trace.Tag(TraceKeys.Name)));
        Assert.Equal(2, Traces.WithSpans([Id(1)])[0].Spans.Count);
    }

    [Fact]
    public async Task Spans_that_came_first_go_with_their_trace_to_the_experiment_that_it_is_told_to_be_of()
    {
        var meant = await new Experiments(_database, _time).Create("destination", null, []);
        await Traces.AddSpans(_experiment, [Span(1, 2, 1, "child", 1_000, 2_000)]);
        await Traces.Start(New(Id(1), started: 900, duration: 5_000, experiment: meant));
        await Traces.AddSpans(_experiment, [Span(1, 1, 0, "root", 900, 5_900)]);
        var (trace, spans) = Traces.WithSpans([Id(1)])[0];
        Assert.Equal((meant, $"mlflow-artifacts:/{meant}/traces/{Id(1)}/artifacts"), (trace.Experiment, trace.Tag(TraceKeys.ArtifactLocation)));
        Assert.Equal(["root", "child"], spans.Select(s => s.Name));
    }

    static readonly (string Filter, string Found)[] Searches =
    [
        ("status = 'ERROR'", "2"),
        ("status IN ('OK', 'IN_PROGRESS')", "1,3"),
        ("timestamp_ms >= 2000 AND execution_time < 200000", "2,3"),
        ("end_time > 102999", "3"),
        ("name = 'root2'", "2"),
        ("name LIKE 'root%'", "1,2,3"),
        ("name LIKE 'ROOT%'", ""),
        ("name ILIKE 'ROOT_'", "1,2,3"),
        ("name RLIKE '^root[13]$'", "1,3"),
        ("tag.color != 'red'", "2"),
        ("tags.color IS NULL", "3"),
        ("tag.`color` IS NOT NULL", "1,2"),
        ("metadata.session = 's'", "1,2,3"),
        ("request_id = 'tr-00000000000000000000000000000001'", "1"),
        ("span.name = 'tool'", "1,2,3"),
        ("span.type = 'TOOL' AND span.status = 'ERROR'", ""),
        ("span.type IN ('TOOL', 'LLM')", "1,2,3"),
        ("span.status = 'ERROR'", "2"),
        ("span.attributes.model = 'gpt-2'", "2"),
        ("span.attributes.model LIKE 'gpt%'", "1,2,3"),
        ("span.attributes.n = '3'", "3"),
        ("span.attributes.`with.dot` RLIKE 'é+$'", "1,2,3"),
        ("text LIKE '%\"gpt-3%'", "3"),
        ("text ILIKE '%GPT-3%' AND span.name = 'tool'", "3"),
        ("feedback.good = 'true'", "1"),
        ("feedback.score = '4'", "2"),
        ("feedback.comment LIKE '%helpful%'", "2"),
        ("expectation.answer = 'forty two'", "3"),
        ("feedback.good IS NULL", "2,3"),
        ("run_id = 'r1'", "1,3"),
        ("prompt = 'hello/2'", "2"),
    ];

    [Fact]
    public async Task Every_kind_of_clause_finds_the_traces_it_means()
    {
        await Seed();
        Assert.Equal(Searches, Searches.Select(s => (s.Filter, Found(s.Filter))));
    }

    [Fact]
    public async Task Pages_follow_each_other_without_gap_or_repetition_in_every_order()
    {
        for (var i = 1; i <= 11; i++)
            await Traces.Start(New(Id(i), started: i / 3, duration: i % 4 == 0 ? null : i % 4, tags: i % 2 == 0 ? [new("k", $"v{i % 3}")] : []));
        foreach (var order in (string[][])[[], ["timestamp ASC"], ["tag.k DESC"], ["execution_time", "tag.k"], ["status", "request_id DESC"], ["execution_time DESC", "timestamp"]])
        {
            var whole = Traces.Search(new([_experiment], null, order, 500, null)).Traces.ConvertAll(t => t.Id);
            Assert.Equal(11, whole.Distinct().Count());
            var paged = new List<string>();
            string? token = null;
            do
            {
                var page = Traces.Search(new([_experiment], null, order, 2, token));
                paged.AddRange(page.Traces.Select(t => t.Id));
                token = page.Next;
            }
            while (token is not null && paged.Count < 50);
            Assert.Equal(whole, paged);
        }
        Assert.Equal([Id(9), Id(10), Id(11)], Traces.Search(new([_experiment], null, [], 3, null)).Traces.Select(t => t.Id));
        Assert.Throws<TaktException>(() => Traces.Search(new([_experiment], null, [], 2, "bm9uZQ==")));
        Assert.Throws<TaktException>(() => Traces.Search(new([_experiment], null, ["name"], 2, Traces.Search(new([_experiment], null, [], 2, null)).Next)));
    }

    [Fact]
    public async Task A_filter_that_can_not_be_is_refused()
    {
        await Seed();
        foreach (var filter in (string[])
        [
            "tag.a RLIKE '(a)\\1'",
            "tag.a RLIKE '('",
            "tag.a RLIKE '(?=a)b'",
            "status = OK",
            "metric.a = 1",
            "span.foo = 'a'",
            "timestamp IN ('1')",
            "status = 'OK' OR status = 'ERROR'",
        ])
            Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => Found(filter)).Error);
    }

    [Fact]
    public async Task A_regular_expression_that_would_backtrack_for_ever_is_answered()
    {
        await Traces.Start(New(Id(1), tags: [new("long", new string('a', 5000) + "!")]));
        Assert.Equal("", Found("tag.long RLIKE '^(a+)+$'"));
    }

    [Fact]
    public async Task Correlation_counts_what_goes_together()
    {
        await Seed();
        var found = Traces.Correlate([_experiment], "status = 'ERROR'", "tag.color = 'blue'", null);
        Assert.Equal((1, 1, 1, 3), (found.First, found.Second, found.Both, found.All));
        Assert.Equal(1, found.Npmi, 9);
        Assert.Equal(-1, Traces.Correlate([_experiment], "status = 'ERROR'", "tag.color = 'red'", "name LIKE 'root%'").Npmi);
        Assert.True(double.IsNaN(Traces.Correlate([_experiment], "status = 'ERROR'", "tag.color = 'none'", null).Npmi));
    }

    [Fact]
    public async Task Deleting_traces_takes_all_that_belongs_to_them()
    {
        await Seed();
        Assert.Equal(1, await Traces.Delete(_experiment, [Id(2), "unknown"], null, null));
        Assert.Equal(1, await Traces.Delete(_experiment, [], 5_000, 1));
        Assert.Equal("3", Found(null));
        Assert.Equal(0, await Traces.Delete(_experiment + 1, [Id(3)], null, null));
        Assert.Equal(1, await Traces.Delete(_experiment, [], 3_000, null));
        foreach (var table in (string[])["trace", "trace_tag", "trace_metadata", "trace_span", "trace_link", "assessment"])
            Assert.Equal(0, _database.Read(session => session.Number(Sql.Raw($"select count(*) from {table}"))));
    }

    [Fact]
    public async Task An_experiment_takes_its_traces_and_scorers_with_it()
    {
        await Seed();
        await new Scorers(_database, _time).Register(_experiment, "s", "{}");
        await _database.Write(session =>
        {
            session.Execute($"delete from run_tag");
            session.Execute($"delete from run where experiment = {_experiment}");
            session.Execute($"delete from experiment where id = {_experiment}");
        });
        Assert.Equal(0, _database.Read(session => session.Number($"select (select count(*) from trace_span) + (select count(*) from scorer_version)")));
    }

    [Fact]
    public async Task An_assessment_that_overrides_another_makes_it_invalid_until_it_is_deleted()
    {
        await Traces.Start(New(Id(1)));
        var old = await Judged.Create(new() { Trace = Id(1), Kind = Assessment.Feedback, Name = "good", Value = "true", Rationale = "\u00e9\ud83d\ude00", Metadata = [new("a", "1")] });
        var now = await Judged.Create(new() { Trace = Id(1), Kind = Assessment.Feedback, Name = "good", Value = "false", Overrides = old.Id });
        Assert.False(Judged.Get(Id(1), old.Id).Valid);
        _time.Advance(TimeSpan.FromSeconds(1));
        var changed = await Judged.Update(Id(1), old.Id, new(Name: "fine", Metadata: [new("b", "2")]));
        Assert.Equal(("fine", "true", "\u00e9\ud83d\ude00", old.Created + 1000), (changed.Name, changed.Value, changed.Rationale, changed.Updated));
        Assert.Equal([new("a", "1"), new("b", "2")], changed.Metadata.OrderBy(m => m.Key));
        Assert.Equal(TaktError.Invalid, (await Assert.ThrowsAsync<TaktException>(() => Judged.Update(Id(1), old.Id, new(Kind: Assessment.Expectation, Value: "1")))).Error);
        await Judged.Delete(Id(1), now.Id);
        await Judged.Delete(Id(1), now.Id);
        Assert.True(Judged.Get(Id(1), old.Id).Valid);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => Judged.Get(Id(1), now.Id)).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Judged.Create(new() { Trace = Id(1), Kind = Assessment.Feedback, Name = "x", Overrides = "a-0" }))).Error);
    }

    [Fact]
    public async Task Records_of_an_evaluation_set_are_one_by_their_inputs()
    {
        var sets = new EvaluationSets(_database, _time);
        var set = await sets.Create("questions", [new("mlflow.user", "me"), new("t", "1")], [_experiment.ToString()]);
        Assert.Equal((1, 0), await sets.Put(set.Id, Json("""[{"inputs": {"q": "a", "n": 1}, "expectations": {"x": 1.5}}]""")));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((1, 1), await sets.Put(set.Id, Json("""[{"inputs": {"n": 1, "q": "a"}, "outputs": "o", "expectations": {"y": true}}, {"inputs": {"q": "b"}, "outputs": null}]""")));
        var (first, next) = sets.Records(set.Id, 1, null);
        Assert.Equal(("{\"q\": \"a\", \"n\": 1}", "\"o\""), (first[0].Inputs, first[0].Outputs));
        using (var merged = JsonDocument.Parse(first[0].Expectations!)) Assert.Equal(["x", "y"], merged.RootElement.EnumerateObject().Select(p => p.Name).Order());
        var (second, none) = sets.Records(set.Id, 1, next);
        Assert.Equal(("{\"q\": \"b\"}", null, null), (second[0].Inputs, second[0].Outputs, none));
        var now = sets.Get(set.Id);
        Assert.Equal("""{"inputs": {"q": "string", "n": "integer"}, "outputs": "string", "expectations": {"x": "float", "y": "boolean"}, "version": "1.0"}""", now.Schema);
        Assert.Equal("""{"num_records": 2}""", now.Profile);
        Assert.NotEqual(set.Digest, now.Digest);
        Assert.Equal(1, await sets.DeleteRecords(set.Id, [first[0].Id, "dr-0"]));
        Assert.Equal(["questions"], sets.Search([_experiment.ToString()], "name LIKE 'q%' AND tags.t = '1'", ["created_time"], 0, 10).Select(s => s.Name));
        Assert.Empty(sets.Search(["77"], null, [], 0, 10));
        Assert.Equal(2, Assert.Throws<TaktException>(() => { sets.Put(set.Id, Json("""[5, {"inputs": 3}]""")).GetAwaiter().GetResult(); }).Faults.Count);
        await sets.RemoveFrom(set.Id, [_experiment.ToString()]);
        Assert.Empty(sets.Experiments(set.Id));
        await Assert.ThrowsAsync<TaktException>(() => sets.AddTo(set.Id, ["99"]));
        await sets.Delete(set.Id);
        Assert.Throws<TaktException>(() => sets.Get(set.Id));
    }

    [Fact]
    public async Task A_scorer_gets_a_new_version_with_each_registration()
    {
        var scorers = new Scorers(_database, _time);
        await scorers.Register(_experiment, "s", "one");
        await scorers.Register(_experiment, "s", "two");
        await scorers.Register(_experiment, "a", "other");
        Assert.Equal([("a", 1L), ("s", 2L)], scorers.List(_experiment).Select(s => (s.Name, s.Version)));
        Assert.Equal(("two", "one"), (scorers.Get(_experiment, "s", null).Definition, scorers.Get(_experiment, "s", 1).Definition));
        await scorers.Delete(_experiment, "s", 2);
        Assert.Equal([1L], scorers.Versions(_experiment, "s").Select(s => s.Version));
        await scorers.Delete(_experiment, "s", null);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => scorers.Get(_experiment, "s", null)).Error);
    }

    [Fact]
    public async Task A_workspace_sees_nothing_of_another()
    {
        await Seed();
        var other = new Workspace("other");
        var traces = Traces.In(other);
        Assert.Empty(traces.Search(new([_experiment], null, [], 10, null)).Traces);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => traces.Get(Id(1))).Error);
        Assert.Empty(traces.WithSpans([Id(1)]));
        Assert.Equal(0, await traces.Delete(_experiment, [Id(1)], null, null));
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => traces.SetTag(Id(1), "a", "b"))).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Judged.In(other).Create(new() { Trace = Id(1), Kind = Assessment.Feedback, Name = "x" }))).Error);
        var own = await new Experiments(_database, _time, other).Create("chat", null, []);
        Assert.Equal(TaktError.Invalid, (await Assert.ThrowsAsync<TaktException>(() => traces.AddSpans(own, [Span(1, 9, 0, "mine", 1, 2)]))).Error);
        await traces.AddSpans(0, [Span(9, 1, 0, "mine", 1, 2)]);
        Assert.Equal([Id(9)], traces.Search(new([0], null, [], 10, null)).Traces.Select(t => t.Id));
        var set = await new EvaluationSets(_database, _time).Create("q", [], []);
        Assert.Empty(new EvaluationSets(_database, _time, other).Search([], null, [], 0, 10));
        await new EvaluationSets(_database, _time, other).Delete(set.Id);
        Assert.Equal("q", new EvaluationSets(_database, _time).Get(set.Id).Name);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => new Scorers(_database, _time, other).List(_experiment)).Error);
    }

    [Fact]
    public async Task Texts_of_every_kind_come_out_as_they_went_in()
    {
        var odd = "'; drop table trace; -- \u202e\u05d0 \ud83d\ude00 \\ \" \n \u0001";
        await Traces.Start(New(Id(1), tags: [new("odd", odd), new("nul", "a\0b")]));
        await Traces.AddSpans(_experiment, [Span(1, 1, 0, odd, 1, 2, inputs: odd)]);
        var (trace, spans) = Traces.WithSpans([Id(1)])[0];
        Assert.Equal((odd, "a\uFFFDb", odd), (trace.Tag("odd"), trace.Tag("nul"), spans[0].Name));
        using var content = JsonDocument.Parse(spans[0].Content);
        Assert.Equal(odd, JsonSerializer.Deserialize<string>(content.RootElement.GetProperty("attributes").GetProperty(TraceKeys.SpanInputs).GetString()!));
        Assert.Equal("1", Found($"tag.odd LIKE '%\ud83d\ude00%'"));
    }

    [Fact]
    public async Task Spans_that_come_after_a_link_to_their_trace_make_it_as_if_there_had_been_none()
    {
        var run = (await new RunLog(_database, _time).Create(_experiment, null, null, null, [])).Id;
        var elsewhere = await new Experiments(_database, _time).Create("elsewhere", null, []);
        await Traces.LinkToRun([Id(1), Id(2)], run);
        Assert.Empty(Traces.Get([Id(1), Id(2)]));
        Assert.Equal(0, await Traces.Delete(_experiment, [Id(1)], null, null));
        await Traces.AddSpans(elsewhere, [Span(1, 2, 1, "tool", 2_000, 2_500)]); // a child: the trace goes on
        Assert.Equal((elsewhere, 2_000L, TraceLog.Running), Traces.Get(Id(1)) is var running ? (running.Experiment, running.Started, running.State) : default);
        await Traces.AddSpans(elsewhere, [Span(1, 1, 0, "root", 1_000, 3_000)]);
        Assert.Equal((1_000L, 2_000L, TraceLog.Ok), Traces.Get(Id(1)) is var whole ? (whole.Started, whole.Duration!.Value, whole.State) : default);
        Assert.Equal([Id(1)], Traces.Search(new([_experiment, elsewhere], $"run_id = '{run}'", [], 100, null)).Traces.Select(t => t.Id));
    }

    async Task Seed()
    {
        for (var i = 1; i <= 3; i++)
            await Traces.AddSpans(_experiment,
            [
                Span(i, 1, 0, $"root{i}", (ulong)i * 1_000, (ulong)i * 1_000 + 2_000, status: i == 2 ? 2 : 1),
                Span(i, 2, 1, "tool", (ulong)i * 1_000, i == 3 ? 103_500UL : (ulong)i * 1_000 + 500, status: 1, type: "TOOL", more: [new("model", $"gpt-{i}"), new("n", (long)i), new("with.dot", "éé")]),
            ]);
        for (var i = 1; i <= 3; i++) await _database.Write(session => session.Execute($"insert into trace_metadata(trace, key, value) values({Id(i)}, {"session"}, {"s"})"));
        await Traces.SetTag(Id(1), "color", "red");
        await Traces.SetTag(Id(2), "color", "blue");
        await Judged.Create(new() { Trace = Id(1), Kind = Assessment.Feedback, Name = "good", Value = "true" });
        await Judged.Create(new() { Trace = Id(2), Kind = Assessment.Feedback, Name = "score", Value = "4.0" });
        await Judged.Create(new() { Trace = Id(2), Kind = Assessment.Feedback, Name = "comment", Value = "\"very helpful\"" });
        await Judged.Create(new() { Trace = Id(3), Kind = Assessment.Expectation, Name = "answer", Value = "\"forty two\"" });
        var run = (await new RunLog(_database, _time).Create(_experiment, null, null, null, [])).Id;
        await _database.Write(session => session.Execute($"insert into trace_metadata(trace, key, value) values({Id(1)}, {TraceKeys.SourceRun}, {"r1"})"));
        await Traces.LinkToRun([Id(3)], run);
        await _database.Write(session => session.Execute($"update trace_link set target = {"r1"} where target = {run}"));
        await Traces.LinkPrompts(Id(2), ["hello/2"]);
    }

    string Found(string? filter) => string.Join(",", Traces.Search(new([_experiment], filter, ["timestamp ASC"], 100, null)).Traces.Select(t => int.Parse(t.Id.AsSpan(3), System.Globalization.NumberStyles.HexNumber)));

    TraceInfo New(string id, long started = 1_000, long? duration = 10, List<KeyValuePair<string, string>>? tags = null, long? experiment = null) =>
        new() { Id = id, Experiment = experiment ?? _experiment, Started = started, Duration = duration, State = TraceLog.Ok, Tags = tags ?? [] };

    static string Id(int trace) => $"tr-{trace:x32}";

    static NewSpan Span(
        int trace, int id, int parent, string name, ulong started, ulong ended, int status = 1, string? type = null, string? inputs = null, long tokens = 0, List<KeyValuePair<string, object?>>? more = null)
    {
        var attributes = more ?? [];
        if (type is not null) attributes.Add(new(TraceKeys.SpanType, type));
        if (inputs is not null) attributes.Add(new(TraceKeys.SpanInputs, inputs));
        if (tokens > 0) attributes.AddRange([new("gen_ai.usage.input_tokens", tokens), new("gen_ai.usage.output_tokens", tokens)]);
        return new(Bytes(trace, 16), Bytes(id, 8), parent == 0 ? [] : Bytes(parent, 8), name, started * 1_000_000, ended * 1_000_000, status, "", attributes, []);
    }

    static byte[] Bytes(int value, int length)
    {
        var bytes = new byte[length];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(length - 4), value);
        return bytes;
    }

    static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
