using System.Globalization;
using System.Text;
using System.Text.Json;
using Takt.Cli;
using Takt.Data;
using Takt.Deployments;
using Takt.Runs;
using Takt.Server;

namespace Takt.Tests.Cli;

/// <summary>From a table to a served model with one command; and what is said where that can't be.</summary>
public sealed class OwnProjectTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-own").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Who has waited long and rang often leaves. The odd names are meant.</summary>
    string Customers(string file = "Customers 2026.csv", int rows = 2000)
    {
        var random = new Random(7);
        var csv = new StringBuilder("customer id,when,\"waited (min)\",calls,plan,left\n");
        for (var i = 0; i < rows; i++)
        {
            var (waited, calls) = (random.NextDouble() * 30, random.Next(0, 8));
            var leaves = random.NextDouble() < 1 / (1 + Math.Exp(6 - (waited / 6) - (calls / 2.0)));
            csv.Append(CultureInfo.InvariantCulture, $"c{i},{new DateTime(2026, 1, 1).AddHours(i):yyyy-MM-dd HH:mm:ss},{waited:0.0},{calls},{(i % 3 == 0 ? "it's big" : "small")},{(i % 50 == 0 ? "" : leaves ? "gone" : "here")}\n");
        }
        var path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, csv.ToString());
        return path;
    }

    [Fact]
    public async Task A_table_of_ones_own_becomes_a_line_that_runs_and_answers()
    {
        Customers();
        var made = OwnProject.Write(_folder, "Customers 2026.csv", "left");
        Assert.Equal(("customers-2026", "binary", "gone", "when"), (made.Name, made.Task, made.Positive, made.Time));
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        var result = await app.Pipelines.Run(new PipelineRequest([]), cancel: TestContext.Current.CancellationToken);
        Assert.True(result.Succeeded, string.Join("\n", result.Stages.Select(s => $"{s.Stage}: {s.State} {s.Summary}")));
        // an alert starts it again: nobody brought newer rows, and the run says so
        var again = await app.Pipelines.Run(new PipelineRequest([], Trigger: "drift"), cancel: TestContext.Current.CancellationToken);
        Assert.StartsWith("data unchanged since version 1 of customers-2026 (", app.Runs.Get(again.Run).Tags[PipelineRunner.UnchangedTag]);
        Assert.DoesNotContain(PipelineRunner.UnchangedTag, app.Runs.Get(result.Run).Tags.Keys);
        await app.Rollouts.Tick(TestContext.Current.CancellationToken);
        Assert.Equal("customers-2026@1", app.Deployments.Get("customers-2026").Live?.Model);
        // later rows test, earlier ones train, and none does both
        var (train, test) = (Tables.Read(Path.Combine(_folder, "out/train.parquet")), Tables.Read(Path.Combine(_folder, "out/test.parquet")));
        Assert.Equal(1960, train.Rows + test.Rows);
        Assert.InRange(test.Rows, 350, 450);
        Assert.DoesNotContain("customer id", train.Columns.Select(c => c.Name));
        var request = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "request.json"))).RootElement.GetProperty("dataframe_split");
        Assert.Equal(train.Columns.Select(c => c.Name).Where(c => c != "left"), request.GetProperty("columns").EnumerateArray().Select(c => c.GetString()));
    }

    [Fact]
    public async Task The_hint_names_a_port_that_nobody_listens_on()
    {
        using var busy = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 5000);
        try { busy.Start(); } catch (System.Net.Sockets.SocketException) { /* another program has it */ }
        Customers();
        var told = (await TaktProcess.Run(_folder, "init", "--data", "Customers 2026.csv", "--target", "left")).Error;
        var port = System.Text.RegularExpressions.Regex.Match(told, @"takt serve --port (\d+) ").Groups[1].Value;
        Assert.Matches("50[0-9][0-9]", port);
        Assert.NotEqual("5000", port);
        Assert.Contains($"http://127.0.0.1:{port}/endpoints/customers-2026/invocations", told);
        Assert.Contains("  ./takt run ", told); // as it was called
    }

    [Fact]
    public async Task Git_gets_the_project_and_its_pointers_and_no_data()
    {
        async Task<string> Git(params string[] args)
        {
            using var git = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("git", ["-C", _folder, .. args]) { RedirectStandardOutput = true })!;
            var said = await git.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await git.WaitForExitAsync(TestContext.Current.CancellationToken);
            return said;
        }
        var elsewhere = Customers("elsewhere/left.csv");
        var project = Path.Combine(_folder, "p");
        Assert.Equal(2, (await TaktProcess.Run(_folder, "-C", "p", "init", "--data", elsewhere)).ExitCode);
        Assert.False(Directory.Exists(project)); // nothing was made of it
        Assert.Equal(0, (await TaktProcess.Run(_folder, "-C", "p", "init", "--data", elsewhere, "--target", "left")).ExitCode);
        Assert.Equal(0, (await TaktProcess.Run(_folder, "-C", "f", "init", "--from", "flights")).ExitCode);
        await Git("init", "-q");
        foreach (var made in (string[])["p/data/left/left.csv", "p/data/left.takt", "p/out/model/model.lgb", "f/data/flights/w.parquet", "f/data/flights.takt", "f/out/metrics.json"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_folder, made))!);
            File.WriteAllText(Path.Combine(_folder, made), "");
        }
        var seen = (await Git("ls-files", "--others", "--exclude-standard", "p", "f")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["p/.gitignore", "p/data/left.takt", "p/request.json", "p/sql/test.sql", "p/sql/train.sql", "p/takt.yaml"], seen.Where(s => s[0] == 'p'));
        Assert.Equal(["f/data/flights.takt"], seen.Where(s => s.StartsWith("f/data/", StringComparison.Ordinal) || s.StartsWith("f/out/", StringComparison.Ordinal) || s.StartsWith("f/incoming/", StringComparison.Ordinal)));
    }

    [Fact]
    public void One_of_several_values_is_told_from_the_rest_when_it_is_named()
    {
        File.WriteAllText(Path.Combine(_folder, "a.csv"), "x,kind\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"{i},{"abc"[i % 3]}\n")));
        Assert.Contains("--positive", Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", "kind", wanted: "binary")).Message);
        Assert.Contains("is a text (a, b, c)", Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", "kind", wanted: "regression")).Message);
        Assert.Contains("binary, multiclass or regression", Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", "kind", wanted: "ranking")).Message);
        Assert.False(File.Exists(Path.Combine(_folder, "takt.yaml")));
        Assert.Contains("did you mean", Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", "knid")).Message);
        Assert.Equal("b", OwnProject.Write(_folder, "a.csv", "kind", "b").Positive);
    }

    [Fact]
    public async Task A_target_of_several_classes_becomes_a_line_that_answers_with_classes_is_compared_with_its_champion_and_watched_by_labels()
    {
        var cancel = TestContext.Current.CancellationToken;
        var random = new Random(3);
        string Rows(int count) => string.Concat(Enumerable.Range(0, count).Select(_ => (X: random.NextDouble() * 3, Y: random.Next(4))).Select(r => string.Create(CultureInfo.InvariantCulture,
            $"{r.X:0.000},{r.Y},{(random.Next(30) == 0 ? "NA" : r.Y == 0 ? "rare" : r.X < 1 ? "Adelie" : r.X < 2 ? "Chin strap" : "Gentoo")}\n")));
        Directory.CreateDirectory(Path.Combine(_folder, "incoming"));
        File.WriteAllText(Path.Combine(_folder, "incoming", "birds.csv"), "x,y,kind\n" + Rows(600));
        var made = OwnProject.Write(_folder, "incoming/birds.csv", "kind");
        Assert.Equal(("multiclass", "Adelie,Chin strap,Gentoo,rare"), (made.Task, string.Join(',', made.Classes.Select(c => c.Value).Order(StringComparer.Ordinal)))); // NA is none
        var yaml = Path.Combine(_folder, "takt.yaml");
        File.WriteAllText(yaml, File.ReadAllText(yaml).Replace("incoming/birds.csv", "incoming/*.csv", StringComparison.Ordinal).Replace("trees: 200", "trees: 30", StringComparison.Ordinal)
            .Replace("champion.macro_f1 - 0.02", "champion.macro_f1 - 0.05, class(rare).recall >= 0.5, classes.f1.min >= 0.3", StringComparison.Ordinal).Replace("min-rows: 200", "min-rows: 50", StringComparison.Ordinal));
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        var result = await app.Pipelines.Run(new PipelineRequest([]), cancel: cancel);
        Assert.True(result.Succeeded, string.Join("\n", result.Stages.Select(s => $"{s.Stage}: {s.State} {s.Summary}")));
        await app.Rollouts.Tick(cancel);

        // answers with labels, yesterday right, the day before turned around
        string[] wrong = ["Gentoo", "Adelie", "Chin strap"];
        foreach (var (day, turned) in new[] { (-3, true), (-2, false), (-1, false) })
        {
            var x = Enumerable.Range(0, 60).Select(i => i % 3 + 0.5).ToArray();
            var answer = await app.Router.Infer("birds", new Table([Column.Of("x", x), Column.Of("y", x.Select(_ => 2L).ToArray())]), DateTimeOffset.UtcNow.AddDays(day), cancel);
            Assert.Equal(["Adelie", "Chin strap", "Gentoo"], answer.Outputs["class"].Texts[..3]);
            await app.Predictions.Of("birds").Append(x.Select((v, i) => new Label($"{answer.Id}:{i}", double.NaN, DateTimeOffset.UtcNow, Class: turned ? wrong[i % 3] : answer.Outputs["class"].Texts[i])).ToList(), cancel);
        }
        await app.Loop.Tick(cancel: cancel);
        var windows = app.Monitors.Table.Windows("birds").Where(w => w.Rows > 0).OrderBy(w => w.Start).ToList();
        Assert.Equal([0, 1], windows.Take(2).Select(w => w.Performance["accuracy"]));
        Assert.Equal([(60L, 0L), (60L, 60L)], windows.Take(2).Select(w => w.Confusion!).Select(c => (c.Counts.Sum(row => row.Sum()), c.Classes.Select((_, k) => c.Counts[k][k]).Sum())));
        Assert.Contains("title=\"100.0 % of Gentoo were told right\">20<", Server.Dashboard.MonitorPage.Render(app).Item2.Value);
        Assert.Contains(app.Monitors.Table.Alerts("birds"), a => a.Kind == "performance" && a.Message.StartsWith("accuracy is 0.000", StringComparison.Ordinal));
        var newest = await NewestPredictions.Of(app.Predictions.Of("birds"), 60);
        Assert.Equal(newest!["out_class"].Texts[..60], newest["label"].Texts[..60]);

        // new rows, and what the endpoint was asked, as the comments tell: the second version is compared with the first on the same rows
        var before = Tables.Read(Path.Combine(_folder, "out/train.parquet")).Rows;
        File.WriteAllText(Path.Combine(_folder, "incoming", "birds-2.csv"), "x,y,kind\n" + Rows(300));
        File.WriteAllText(yaml, File.ReadAllText(yaml).Replace("  # birds-asked:", "  birds-asked:", StringComparison.Ordinal).Replace("  #   ", "    ", StringComparison.Ordinal)
            .Replace("query: sql/train.sql, tables: { data: data/birds/ }", "query: sql/train.sql, tables: { data: data/birds/, asked: data/birds-asked/ }", StringComparison.Ordinal));
        var sql = Path.Combine(_folder, "sql", "train.sql");
        File.WriteAllText(sql, File.ReadAllText(sql).Replace("-- union all", "union all", StringComparison.Ordinal));
        result = await app.Pipelines.Run(new PipelineRequest([]), cancel: cancel);
        Assert.True(result.Succeeded, string.Join("\n", result.Stages.Select(s => $"{s.Stage}: {s.State} {s.Summary}")));
        Assert.InRange(Tables.Read(Path.Combine(_folder, "out/train.parquet")).Rows - before, 180 + 200, 180 + 280);
        using var metrics = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "out/metrics.json")));
        Assert.Equal("birds@1", metrics.RootElement.GetProperty("champion").GetProperty("version").GetString());
        Assert.InRange(metrics.RootElement.GetProperty("comparison").GetProperty("macro_f1").GetDouble(), -0.2, 0.2);
        Assert.True(metrics.RootElement.GetProperty("classes").GetProperty("Adelie").GetProperty("recall").GetDouble() > 0.9);
        var confusion = (await Server.Dashboard.ConfusionTable.Of(app, result.Run, new Dictionary<string, double>()))!; // out of the store, whatever the work tree has
        Assert.Equal(metrics.RootElement.GetProperty("confusion").GetProperty("rows").EnumerateArray().SelectMany(row => row.EnumerateArray().Select(c => c.GetInt64())), confusion.Counts.SelectMany(row => row));
        Assert.True(metrics.RootElement.GetProperty("accuracy").GetDouble() > metrics.RootElement.GetProperty("majority_share").GetDouble());
    }

    [Theory]
    [InlineData("0,1,2", null, "multiclass")]
    [InlineData("1,2,3", null, "multiclass")]
    [InlineData("0,1,2", "regression", "regression")]
    [InlineData("3,4,5", null, "regression")] // such as a number of rooms
    [InlineData("3,4,5", "multiclass", "multiclass")]
    [InlineData("1.5,2.5,3.5", null, "regression")]
    public void Whole_numbers_that_count_from_0_or_1_are_taken_for_codes_unless_the_task_is_said(string values, string? wanted, string task)
    {
        File.WriteAllText(Path.Combine(_folder, "a.csv"), "x,y\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"{i},{values.Split(',')[i % 3]}\n")));
        Assert.Equal(task, OwnProject.Write(_folder, "a.csv", "y", wanted: wanted).Task);
    }

    [Fact]
    public void More_classes_than_can_be_told_apart_are_refused_with_what_to_do()
    {
        File.WriteAllText(Path.Combine(_folder, "a.csv"), "x,y\n" + string.Concat(Enumerable.Range(0, 180).Select(i => $"{i},city {i % 60}\n")));
        Assert.Contains("tells 50 classes apart at most", Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", "y")).Message);
        Assert.Contains("60 different values", Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", "y", wanted: "multiclass")).Message);
    }

    [Fact]
    public void Numbers_behind_NA_or_a_decimal_comma_are_learned_as_numbers_and_what_names_rows_is_left_out()
    {
        var random = new Random(3);
        File.WriteAllText(Path.Combine(_folder, "Häuser (Export).csv"), "mail;qm;rooms;code;street;data;cut;price\n" + string.Concat(Enumerable.Range(0, 300).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"a{i}@example.org;{random.Next(20, 90)},5;{(i % 9 == 0 ? "NA" : i % 5)};{i % 7},{100 + (i % 9)};street {i - (i % 40 == 0 ? 1 : 0)};d{i % 3};{i % 4};{(i % 50 == 0 ? "?" : $"{100 + i},25")}\n"))));
        var made = OwnProject.Write(_folder, "Häuser (Export).csv", "price");
        Assert.Equal(("h-user-export", "regression"), (made.Name, made.Task));
        Assert.Equal(["mail", "street"], made.Left.Select(l => l.Column));
        Assert.Equal(["price", "qm", "rooms"], made.Numbers.Order()); // code: 1,105 could be a thousand
        using var connection = DuckDb.Open();
        DuckDb.Execute(connection, $"create view data as select * from {DuckDb.Scan([Path.Combine(_folder, made.File)])}");
        var train = Tables.Query(connection, File.ReadAllText(Path.Combine(_folder, "sql/train.sql")));
        var test = Tables.Query(connection, File.ReadAllText(Path.Combine(_folder, "sql/test.sql")));
        Assert.Equal(294, train.Rows + test.Rows); // a price that is not known teaches nothing
        Assert.InRange(test.Rows, 30, 90);
        Assert.Equal(["code", "cut", "data", "price", "qm", "rooms"], train.Columns.Select(c => c.Name).Order());
        Assert.All(["price", "qm", "rooms"], name => Assert.Equal(ColumnType.Number, train[name].Type));
    }

    [Fact]
    public async Task A_number_is_learned_as_a_number_and_a_table_from_elsewhere_is_copied()
    {
        var elsewhere = Directory.CreateTempSubdirectory("takt-elsewhere").FullName;
        File.WriteAllText(Path.Combine(elsewhere, "a.csv"), "x,y\n" + string.Concat(Enumerable.Range(0, 400).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i % 37},{(i % 37 * 2.5) + (i % 5)}\n"))));
        var made = OwnProject.Write(_folder, Path.Combine(elsewhere, "a.csv"), "y", name: "prices");
        Directory.Delete(elsewhere, recursive: true);
        Assert.Equal(("prices", "regression", "incoming/*.csv"), (made.Name, made.Task, made.File));
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        var result = await app.Pipelines.Run(new PipelineRequest([]), cancel: TestContext.Current.CancellationToken);
        Assert.True(result.Succeeded, string.Join("\n", result.Stages.Select(s => $"{s.Stage}: {s.State} {s.Summary}")));
    }

    [Theory]
    [InlineData(null, TaktError.Invalid, "--target")]
    [InlineData("same", TaktError.Invalid, "nothing to learn")]
    [InlineData("at", TaktError.Invalid, "is a time")]
    public void What_can_not_be_learned_is_said_before_anything_is_written(string? target, TaktError error, string says)
    {
        File.WriteAllText(Path.Combine(_folder, "a.csv"), "same,at,x\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"1,2026-01-{1 + (i % 28):00},{i}\n")));
        var fault = Assert.Throws<TaktException>(() => OwnProject.Write(_folder, "a.csv", target));
        Assert.Equal(error, fault.Error);
        Assert.Contains(says, fault.Message);
        Assert.Equal(["a.csv"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName));
    }
}
