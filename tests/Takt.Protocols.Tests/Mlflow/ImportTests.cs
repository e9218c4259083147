using Takt.Client;
using Takt.Runs;
using Takt.Runs.Traces;
using Takt.Server;
using Takt.Server.Protocols.Mlflow.Import;
using Takt.Storage;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>An mlruns folder that MLflow 3.6 wrote, and a server over its REST API, copied into Takt.</summary>
public sealed class ImportTests : IDisposable
{
    const string Wine = "728260451666002512";
    static readonly string Mlruns = Path.Combine(AppContext.BaseDirectory, "Mlflow", "mlruns");

    readonly string _folder = Directory.CreateTempSubdirectory("takt-import").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    TaktApp Open(string name = "t") => TaktApp.Open(new TaktFolder(Path.Combine(_folder, name), Path.Combine(_folder, name, ".takt")));

    static Task<ImportSummary> Import(TaktApp app, string source, bool dry = false) => new MlflowImport(app).Run(source, dry, (_, _) => { }, CancellationToken.None);

    static TrackedRun Run(TaktApp app, string name) => app.RunLog.Get(app.Database.Read(session => session.Text($"select id from run where name = {name}"))!);

    static List<Takt.Runs.MetricPoint> History(TaktApp app, string run, string key) => [.. app.MetricHistory.Of(run, key, 25_000, null).Items];

    static async Task<string> Text(TaktApp app, string path)
    {
        await using var content = await app.Artifacts.Open(path, default);
        return await new StreamReader(content).ReadToEndAsync();
    }

    [Fact]
    public async Task A_workspace_that_is_missing_is_told_with_the_side_that_lacks_it()
    {
        await using var app = Open();
        Task<TaktException> Refused(string source, string? into, string? from) =>
            Assert.ThrowsAsync<TaktException>(() => new MlflowImport(app).Run(source, false, (_, _) => { }, CancellationToken.None, into, from));
        Assert.Contains("no workspace 'team-a' here to copy into: make it first", (await Refused(Mlruns, "team-a", null)).Message);
        await using var server = await MlflowServer.Start();
        Assert.Contains("has no workspace 'team-b' (--from-workspace)", (await Refused(server.Client.BaseAddress!.ToString(), null, "team-b")).Message);
    }

    [Fact]
    public async Task A_folder_is_copied_with_its_ids_times_points_inputs_and_artifacts()
    {
        await using var app = Open();
        var summary = await Import(app, Mlruns);
        Assert.Empty(summary.Faults);
        Assert.Equal((3, 9, 2, 15L), (summary.Experiments, summary.Runs, summary.Models == 3 ? 2 : 0, summary.Points));

        var wine = await app.Experiments.Get(long.Parse(Wine));
        Assert.Equal(("wine", 1795579205939), (wine.Name, wine.CreatedAt.ToUnixTimeMilliseconds()));
        Assert.True((await app.Experiments.FindByName("old"))!.Deleted);
        var run = app.RunLog.Get("643224d983704eacb26ce314ae05bef3");
        Assert.Equal(("run-0", "ann", "FINISHED", 1795579211832, 1795579211961), (run.Name, run.User, run.Status, run.Started, run.Ended));
        Assert.Equal("emoji 🍷 and\nnewline", run.Params.Single(p => p.Key == "note").Value);
        Assert.Equal("zoë", run.Tags.Single(t => t.Key == "team/owner").Value);
        var input = Assert.Single(run.Inputs);
        Assert.Equal(("wine", "0d09bed6", "local", "training"), (input.Name, input.Digest, input.SourceType, input.Tags[RunInput.ContextTag]));
        var loss = History(app, run.Id, "loss");
        Assert.Equal([(1795579211901, 1.0, 0), (1795579211902, 0.5, 1)], loss.Take(2).Select(p => (p.Time, p.Value, p.Step)));
        Assert.Equal(5, loss.Count);
        Assert.True(double.IsNaN(Assert.Single(History(app, run.Id, "nan")).Value));
        Assert.Equal(0.5, run.Metrics.Single(m => m.Key == "group/auc").Value);
        Assert.Equal("hello 0", await Text(app, $"{Wine}/{run.Id}/artifacts/notes/a ä.txt"));

        Assert.Equal("FAILED", Run(app, "failed").Status);
        Assert.True(app.RunLog.Get("c143dfe1a6e84f329dad63f3e248b45c").Deleted);
        Assert.Equal(Run(app, "parent").Id, Run(app, "child").Tags.Single(t => t.Key == "mlflow.parentRunId").Value);
    }

    [Fact]
    public async Task The_registry_is_copied_with_numbers_aliases_stages_prompts_and_logged_models()
    {
        await using var app = Open();
        await Import(app, Mlruns);
        var model = app.ModelCatalog.Get("wine-model");
        Assert.Equal(("a model", "linear"), (model.Description, model.Tags.Single().Value));
        Assert.Equal(1, app.ModelCatalog.OfAlias("wine-model", "champion").Version);
        var versions = app.ModelCatalog.SearchVersions("name = 'wine-model'", [], 10, null).Items.OrderBy(v => v.Version).ToList();
        Assert.Equal([1L, 2L, 4L], versions.Select(v => v.Version)); // 3 was deleted there
        Assert.Equal(("Production", "second", "2"), (versions[1].Stage, versions[1].Description, versions[1].Tags.Single().Value));
        Assert.Equal("models:/m-a30753ed163a4a7f9a8b3656c0a8dbc6", versions[0].Source);
        var prompt = app.ModelCatalog.GetVersion("greeting", 2);
        Assert.Equal("Hi {{name}}", prompt.Tags.Single(t => t.Key == "mlflow.prompt.text").Value);
        Assert.DoesNotContain("greeting", app.ModelCatalog.Search(null, [], 100, null).Items.Select(m => m.Name));

        var logged = app.LoggedModels.Get("m-a30753ed163a4a7f9a8b3656c0a8dbc6");
        Assert.Equal(("LOGGED_MODEL_READY", "b83aac63ef1243fbb7ce8cf6879a4cc2"), (logged.Status, logged.Run));
        Assert.Equal("a model\n", await Text(app, $"{Wine}/models/{logged.Id}/artifacts/model.pkl"));
        var lineage = await app.Lineage.Of("wine-model@1", Deployments.LineageDirection.Up);
        Assert.Contains("run:b83aac63ef1243fbb7ce8cf6879a4cc2", lineage.Nodes.Select(n => n.Id));
    }

    [Fact]
    public async Task A_second_import_copies_nothing_twice_and_dry_run_nothing_at_all()
    {
        await using var app = Open();
        var dry = await Import(app, Mlruns, dry: true);
        Assert.Equal(9, dry.Runs);
        Assert.Null(await app.Experiments.FindByName("wine"));
        await Import(app, Mlruns);
        var rows = Rows(app);
        var again = await Import(app, Mlruns);
        Assert.Equal((1, 8), (again.Runs, again.RunsThere)); // one had not ended: it is looked at again
        Assert.Equal(rows, Rows(app));
    }

    static List<long> Rows(TaktApp app) => app.Database.Read(session => ((string[])["experiment", "run", "run_param", "run_tag", "run_metric", "metric_block", "run_input", "run_output", "artifact", "artifact_file", "logged_model",
        "model", "model_version", "model_version_tag", "model_alias", "import_item"]).Select(t => session.Number(Storage.Sql.Raw($"select count(*) from {t}"))!.Value).ToList());

    [Fact]
    public async Task A_name_that_is_taken_here_is_kept_apart()
    {
        await using var app = Open();
        await app.Experiments.Create("wine", null, []);
        await app.ModelCatalog.Create("wine-model", "ours", []);
        var summary = await Import(app, Mlruns);
        Assert.Equal("wine-imported", summary.Renamed["experiment wine"]);
        Assert.Equal("wine-model-imported", summary.Renamed["model wine-model"]);
        Assert.Equal("ours", app.ModelCatalog.Get("wine-model").Description);
        Assert.Equal(1, app.ModelCatalog.OfAlias("wine-model-imported", "champion").Version);
        Assert.Equal(long.Parse(Wine), (await app.Experiments.FindByName("wine-imported"))!.Id);
        Assert.Equal("wine-imported", (await Import(app, Mlruns)).Renamed["experiment wine"]); // and stays so
    }

    [Fact]
    public async Task A_damaged_run_holds_up_no_other_and_is_tried_again()
    {
        var copy = Path.Combine(_folder, "mlruns");
        foreach (var file in Directory.EnumerateFiles(Mlruns, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(copy, Path.GetRelativePath(Mlruns, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        var metric = Path.Combine(copy, Wine, "643224d983704eacb26ce314ae05bef3", "metrics", "loss");
        var good = await File.ReadAllTextAsync(metric);
        await File.WriteAllTextAsync(metric, good + "17955792 not-a-number 7\n");
        await using var app = Open();
        var summary = await Import(app, copy);
        Assert.Contains("not-a-number", Assert.Single(summary.Faults));
        Assert.Equal(8, summary.Runs);
        await File.WriteAllTextAsync(metric, good);
        Assert.Empty((await Import(app, copy)).Faults);
        Assert.Equal(5, History(app, "643224d983704eacb26ce314ae05bef3", "loss").Count);
    }

    [Fact]
    public async Task A_server_is_copied_over_its_API_and_a_run_that_went_on_is_copied_again()
    {
        await using var server = await MlflowServer.Start();
        using var takt = new TaktClient(server.Client.BaseAddress!.ToString());
        var files = Directory.CreateDirectory(Path.Combine(_folder, "files")).FullName;
        await File.WriteAllTextAsync(Path.Combine(files, "MLmodel"), "flavors: {}\n");
        await using var run = await takt.StartRun("their", "first", new Dictionary<string, string> { ["a"] = "b" });
        await run.LogParam("lr", "0.1");
        for (var i = 0; i < 3000; i++) await run.LogMetric("loss", i, i);
        await run.LogMetric("nan", double.NaN);
        await run.LogInput("d", "12345678", "s3://d", "training");
        await run.Upload("x/ü 1.txt", new MemoryStream("content"u8.ToArray()));
        var logged = await run.LogModel("m", files);
        var version = await takt.Register("registered", logged.Uri, run.Id);
        await takt.SetAlias("registered", "champion", version.Version);
        await run.Flush();
        for (var i = 0; i < 30; i++) await (await takt.StartRun("their", $"r{i}")).End();

        await using var app = Open();
        var address = server.Client.BaseAddress!.ToString();
        var summary = await Import(app, address);
        Assert.Empty(summary.Faults);
        Assert.Equal((31, 3001L, 1, 1), (summary.Runs, summary.Points, summary.LoggedModels, summary.Versions));
        var copy = app.RunLog.Get(run.Id);
        Assert.Equal(("first", "RUNNING", "0.1"), (copy.Name, copy.Status, copy.Params.Single().Value));
        Assert.Equal("12345678", Assert.Single(copy.Inputs).Digest);
        Assert.Equal(logged.Id, Assert.Single(copy.Outputs).Model);
        Assert.Equal(3000, History(app, run.Id, "loss").Count);
        var experiment = (await app.Experiments.FindByName("their"))!.Id;
        Assert.Equal("content", await Text(app, $"{experiment}/{run.Id}/artifacts/x/ü 1.txt"));
        Assert.Equal("registered", app.ModelCatalog.OfAlias("registered", "champion").Name);

        await run.LogMetric("loss", 1, 3000);
        await run.End();
        var again = await Import(app, address);
        Assert.Equal((1, 30), (again.Runs, again.RunsThere));
        Assert.Equal(("FINISHED", 3001), (app.RunLog.Get(run.Id).Status, History(app, run.Id, "loss").Count));
        Assert.Equal((0, 31), ((await Import(app, address)).Runs, (await Import(app, address)).RunsThere));
    }

    [Fact]
    public async Task Traces_are_copied_from_a_server_with_spans_and_assessments_and_again_when_something_was_said_of_them()
    {
        await using var server = await MlflowServer.Start();
        using var takt = new TaktClient(server.Client.BaseAddress!.ToString());
        await using var run = await takt.StartRun("their", "r");
        var experiment = (await server.App.Experiments.FindByName("their"))!.Id;
        byte[] trace = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], span = [1, 2, 3, 4, 5, 6, 7, 8];
        const string Id = "tr-0102030405060708090a0b0c0d0e0f10";
        List<KeyValuePair<string, object?>> attributes = [new("mlflow.spanInputs", """{"x": "hé"}"""), new("n", 5L), new("real", 1.5), new("list", new List<object?> { 1L, "a", null }), new("text", "12"), new("flag", true)];
        await server.App.Traces.AddSpans(experiment, [
            new NewSpan(trace, span, [], "outer", 1_000_000_000, 3_500_000_000, 1, "", attributes, [new NewSpanEvent("e", 5, [new("k", "v")])]) { Links = [new([.. trace.Reverse()], span, [new("k", 1L)]), new(trace, span, [])] },
            new NewSpan(trace, [9, 9, 9, 9, 9, 9, 9, 9], span, "inner", 2_000_000_000, 3_000_000_000, 2, "boom", [], []),
        ]);
        await server.App.Traces.SetTag(Id, "t", "v");
        await server.Send("POST", $"/api/3.0/mlflow/traces/{Id}/assessments", $$$"""{"assessment":{"assessment_name":"good","trace_id":"{{{Id}}}","source":{"source_type":"HUMAN","source_id":"ann"},"feedback":{"value":true},"rationale":"so"}}""");

        await using var app = Open();
        var address = server.Client.BaseAddress!.ToString();
        var summary = await Import(app, address);
        Assert.Empty(summary.Faults);
        Assert.Equal((1, 2, 1), (summary.Traces, summary.Spans, summary.Assessments));
        var (theirs, ours) = (server.App.Traces.WithSpans([Id]).Single(), app.Traces.WithSpans([Id]).Single());
        Assert.Equal(theirs.Spans, ours.Spans); // to the letter
        Assert.Equal((theirs.Trace.State, theirs.Trace.Started, theirs.Trace.Duration, theirs.Trace.RequestPreview), (ours.Trace.State, ours.Trace.Started, ours.Trace.Duration, ours.Trace.RequestPreview));
        Assert.Equal("v", ours.Trace.Tag("t"));
        var said = Assert.Single(ours.Trace.Assessments);
        Assert.Equal(("good", "true", "so", "ann", theirs.Trace.Assessments.Single().Id), (said.Name, said.Value, said.Rationale, said.Source, said.Id));

        Assert.Equal(0, (await Import(app, address)).Traces);
        await server.Send("POST", $"/api/3.0/mlflow/traces/{Id}/assessments", $$$"""{"assessment":{"assessment_name":"want","trace_id":"{{{Id}}}","source":{"source_type":"HUMAN","source_id":"bob"},"expectation":{"value":"x"} } }""");
        Assert.Equal(1, (await Import(app, address)).Traces);
        Assert.Equal(2, app.Traces.Get(Id).Assessments.Count);
        await server.Send("POST", $"/api/3.0/mlflow/traces/{Id}/assessments", $$$"""{"assessment":{"assessment_name":"good","trace_id":"{{{Id}}}","source":{"source_type":"HUMAN","source_id":"eve"},"feedback":{"value":false},"overrides":"{{{said.Id}}}"} }""");
        Assert.Equal(1, (await Import(app, address)).Traces);
        Assert.Equal([("good", "true", false), ("want", "\"x\"", true), ("good", "false", true)], app.Traces.Get(Id).Assessments.Select(a => (a.Name, a.Value, a.Valid)));
    }

    [Fact]
    public async Task Prompts_of_a_server_come_with_their_versions()
    {
        const string Tags = """[{"key":"mlflow.prompt.is_prompt","value":"true"},{"key":"mlflow.prompt.text","value":"Hi {{name}}"}]""";
        await using var server = await MlflowServer.Start();
        Assert.Equal(200, (await server.Send("POST", "/api/2.0/mlflow/registered-models/create", $$"""{"name":"it's a greeting","tags":{{Tags}}}""")).Status);
        Assert.Equal(200, (await server.Send("POST", "/api/2.0/mlflow/model-versions/create", $$"""{"name":"it's a greeting","source":"dummy-source","tags":{{Tags}}}""")).Status);
        await using var app = Open();
        var summary = await Import(app, server.Client.BaseAddress!.ToString());
        Assert.Equal((1, 1), (summary.Models, summary.Versions));
        Assert.Equal("Hi {{name}}", app.ModelCatalog.GetVersion("it's a greeting", 1).Tags.Single(t => t.Key == "mlflow.prompt.text").Value);
    }

    [Fact]
    public async Task Traces_come_with_their_links_to_runs_and_those_of_deleted_experiments_too()
    {
        await using var server = await MlflowServer.Start();
        using var takt = new TaktClient(server.Client.BaseAddress!.ToString());
        await using var run = await takt.StartRun("their", "judges");
        var experiment = (await server.App.Experiments.FindByName("their"))!.Id;
        var gone = await server.App.Experiments.Create("gone", null, []);
        TraceInfo Trace(string id, long of, params KeyValuePair<string, string>[] metadata) => new() { Id = id, Experiment = of, Started = 1000, Duration = 5, State = TraceLog.Ok, Metadata = [.. metadata] };
        await server.App.Traces.Start(Trace("tr-linked", experiment));
        await server.App.Traces.Start(Trace("tr-own", experiment, new KeyValuePair<string, string>("mlflow.sourceRun", run.Id)));
        await server.App.Traces.Start(Trace("tr-gone", gone));
        await server.App.Traces.LinkToRun(["tr-linked"], run.Id);
        await server.App.Experiments.SetDeleted(gone, true);

        await using var app = Open();
        var summary = await Import(app, server.Client.BaseAddress!.ToString());
        Assert.Empty(summary.Faults);
        Assert.Equal((3, 1), (summary.Traces, summary.Links));
        Assert.True((await app.Experiments.FindByName("gone"))!.Deleted);
        Assert.Equal((await app.Experiments.FindByName("gone"))!.Id, app.Traces.Get("tr-gone").Experiment);
        Assert.Equal([("tr-linked", run.Id)], app.Database.Read(session => session.Query($"select trace, target from trace_link", row => (row.Text(0), row.Text(1)))));
        Assert.Equal(0, (await Import(app, server.Client.BaseAddress!.ToString())).Traces);
    }

    [Fact]
    public async Task Traces_are_copied_from_a_folder()
    {
        var experiment = Path.Combine(_folder, "mlruns", "7");
        var trace = Path.Combine(experiment, "traces", "tr-1");
        void Write(string path, string text)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        Write(Path.Combine(experiment, "meta.yaml"), "experiment_id: '7'\nname: traced\nlifecycle_stage: active\ncreation_time: 5\nlast_update_time: 5\n");
        Write(Path.Combine(trace, "trace_info.yaml"), "execution_duration_ms: 1102\nrequest_preview: '{\"x\": 1}'\nrequest_time: '2026-01-01T00:00:00.277Z'\nstate: OK\ntrace_id: tr-1\ntrace_location:\n  mlflow_experiment:\n    experiment_id: '7'\n  type: MLFLOW_EXPERIMENT\n");
        Write(Path.Combine(trace, "tags", "t"), "v ü");
        Write(Path.Combine(trace, "request_metadata", "m"), "1");
        Write(Path.Combine(trace, "assessments", "a-1.yaml"), "assessment_id: a-1\nassessment_name: good\ncreate_time: '2026-01-01T00:00:01.500Z'\nfeedback:\n  value: true\nlast_update_time: '2026-01-01T00:00:01.500Z'\nmetadata:\n  k: v\nsource:\n  source_id: ann\n  source_type: HUMAN\ntrace_id: tr-1\nvalid: true\n");
        Write(Path.Combine(trace, "artifacts", "traces.json"), """
            {"spans": [{"trace_id": "fE0lwN6wXrPKiJeN3PlMXg==", "span_id": "gQ5ciIbRI00=", "parent_span_id": null, "name": "outer", "start_time_unix_nano": 1795614853277619141, "end_time_unix_nano": 1795614854380330911, "events": [],
             "status": {"code": "STATUS_CODE_OK", "message": ""}, "attributes": {"mlflow.traceRequestId": "\"tr-1\"", "n": "5", "s": "\"text\"", "mlflow.spanInputs": "{\"x\": \"h\"}"}}]}
            """);
        // version 2 of MLflow: other names, ids in hex
        var old = Path.Combine(experiment, "traces", "old");
        Write(Path.Combine(old, "trace_info.yaml"), "request_id: old\nexperiment_id: '7'\ntimestamp_ms: 9\nexecution_time_ms: 3\nstatus: ERROR\n");
        Write(Path.Combine(old, "artifacts", "traces.json"), """
            {"spans": [{"name": "o", "context": {"span_id": "0x4f2fa4c4c2d5a6b1", "trace_id": "0x1122334455667788990011223344556"}, "parent_id": null, "start_time": 9000000, "end_time": 12000000, "status_code": "ERROR", "status_message": "no",
             "attributes": {"mlflow.traceRequestId": "\"old\""}, "events": []}]}
            """);
        await using var app = Open();
        var summary = await Import(app, Path.Combine(_folder, "mlruns"));
        Assert.Empty(summary.Faults);
        Assert.Equal((2, 2, 1), (summary.Traces, summary.Spans, summary.Assessments));
        var (info, spans) = app.Traces.WithSpans(["tr-1"]).Single();
        Assert.Equal((1767225600277, 1102L, "OK", "v ü", "1"), (info.Started, info.Duration, info.State, info.Tag("t"), info.Fact("m")));
        var attributes = System.Text.Json.Nodes.JsonNode.Parse(Assert.Single(spans).Content)!["attributes"]!;
        Assert.Equal(("5", "\"text\""), ((string)attributes["n"]!, (string)attributes["s"]!));
        Assert.Equal(("a-1", "true", 1767225601500), (info.Assessments.Single().Id, info.Assessments.Single().Value, info.Assessments.Single().Created));
        Assert.Equal(("ERROR", 3L, "no"), (app.Traces.Get("old").State, app.Traces.Get("old").Duration, app.Traces.WithSpans(["old"]).Single().Spans.Single().Content.Contains("\"no\"") ? "no" : ""));
    }

    [Fact]
    public async Task A_workspace_takes_an_import_and_nothing_of_it_is_seen_from_another()
    {
        await using var app = Open();
        await app.Workspaces.Create("team-a", null, null);
        await app.Workspaces.Create("team-b", null, null);
        var team = new Workspace("team-a");
        var summary = await new MlflowImport(app).Run(Mlruns, false, (_, _) => { }, CancellationToken.None, "team-a");
        Assert.Empty(summary.Faults);
        Assert.Equal(9, summary.Runs);
        Assert.Null(await app.Experiments.FindByName("wine"));
        var wine = await app.Experiments.In(team).FindByName("wine");
        Assert.Equal("run-0", app.RunLog.In(team).Get("643224d983704eacb26ce314ae05bef3").Name);
        Assert.Throws<TaktException>(() => app.RunLog.Get("643224d983704eacb26ce314ae05bef3"));
        Assert.Equal(1, app.ModelCatalog.In(team).OfAlias("wine-model", "champion").Version);
        Assert.Equal("a model\n", await Text(app, $"workspaces/team-a/{wine!.Id}/models/m-a30753ed163a4a7f9a8b3656c0a8dbc6/artifacts/model.pkl"));
        Assert.Equal("hello 0", await Text(app, $"workspaces/team-a/{wine.Id}/643224d983704eacb26ce314ae05bef3/artifacts/notes/a ä.txt"));
        Assert.Equal(8, (await new MlflowImport(app).Run(Mlruns, false, (_, _) => { }, CancellationToken.None, "team-a")).RunsThere);
        // an id is one for the whole server
        var other = await new MlflowImport(app).Run(Mlruns, false, (_, _) => { }, CancellationToken.None, "team-b");
        Assert.Equal(0, other.Runs);
        Assert.Contains(other.Faults, f => f.Contains("is in workspace 'team-a' already"));

        // and all of it goes with the workspace, its bytes after the grace
        await app.Workspaces.Remove("team-a", WorkspaceRemoval.Cascade);
        Assert.Equal([0L, 0, 0, 0, 0], app.Database.Read(session => ((string[])["run_param", "run_metric", "metric_block", "artifact", "artifact_file"]).Select(t => session.Number(Storage.Sql.Raw($"select count(*) from {t}"))!.Value)));
        var due = app.Purge.Plan(TimeSpan.Zero).Blobs;
        Assert.True(due > 3, $"{due} blobs are due");
        await Task.Delay(5, TestContext.Current.CancellationToken);
        Assert.Equal(due, (await app.Purge.Apply(TimeSpan.Zero, TimeSpan.Zero, TestContext.Current.CancellationToken)).Freed);
        await foreach (var blob in app.Blobs.List(TestContext.Current.CancellationToken)) Assert.Fail($"{blob.Id} is left");
    }

    [Fact]
    public async Task What_was_purged_comes_back_with_another_import()
    {
        await using var app = Open();
        await Import(app, Mlruns);
        await app.Experiments.SetDeleted(long.Parse(Wine), true);
        await Task.Delay(5, TestContext.Current.CancellationToken);
        foreach (var version in (long[])[1, 2, 4]) await app.ModelCatalog.DeleteVersion("wine-model", version);
        Assert.Contains("wine", (await app.Purge.Apply(TimeSpan.Zero, TimeSpan.Zero, TestContext.Current.CancellationToken)).Experiments);
        var again = await Import(app, Mlruns);
        Assert.Empty(again.Faults);
        Assert.Equal("run-0", app.RunLog.Get("643224d983704eacb26ce314ae05bef3").Name);
        Assert.Equal("hello 0", await Text(app, $"{Wine}/643224d983704eacb26ce314ae05bef3/artifacts/notes/a ä.txt"));
        Assert.Equal("a model\n", await Text(app, $"{Wine}/models/m-a30753ed163a4a7f9a8b3656c0a8dbc6/artifacts/model.pkl"));
    }

    [Theory]
    [InlineData("sqlite:///mlflow.db", TaktError.Invalid, "import from the server that runs on it")]
    [InlineData("/no/such/folder", TaktError.NotFound, "/no/such/folder")]
    [InlineData("http://127.0.0.1:1", TaktError.Unavailable, "no tracking server answers at http://127.0.0.1:1")]
    public async Task What_can_not_be_read_is_named(string source, TaktError error, string words)
    {
        await using var app = Open();
        var fault = await Assert.ThrowsAsync<TaktException>(() => Import(app, source));
        Assert.Equal(error, fault.Error);
        Assert.Contains(words, fault.Message);
    }

    [Fact]
    public async Task A_folder_without_experiments_is_refused()
    {
        await using var app = Open();
        Assert.Contains("is no mlruns folder", (await Assert.ThrowsAsync<TaktException>(() => Import(app, _folder))).Message);
    }
}
