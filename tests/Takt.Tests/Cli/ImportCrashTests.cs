using Microsoft.Data.Sqlite;
using Takt.Server;

namespace Takt.Tests.Cli;

/// <summary>An import that is killed in the middle, and run again.</summary>
public sealed class ImportCrashTests : IDisposable
{
    const int Runs = 400;
    const int Points = 20;

    readonly string _folder = Directory.CreateTempSubdirectory("takt-import").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Killed_in_the_middle_and_run_again_nothing_is_there_twice_and_nothing_is_missing()
    {
        var mlruns = Path.Combine(_folder, "mlruns");
        Write($"{mlruns}/7/meta.yaml", "experiment_id: '7'\nname: big\nlifecycle_stage: active\ncreation_time: 1700000000000\nlast_update_time: 1700000000000\n");
        for (var i = 0; i < Runs; i++)
        {
            var run = $"{mlruns}/7/{i:x32}";
            Write($"{run}/meta.yaml", $"run_id: {i:x32}\nrun_name: r{i}\nexperiment_id: '7'\nstatus: 3\nstart_time: {1700000000000 + i}\nend_time: {1700000001000 + i}\nlifecycle_stage: active\nuser_id: ann\nartifact_uri: file:///gone/{i}\n");
            Write($"{run}/params/p", $"{i}");
            Write($"{run}/metrics/m", string.Concat(Enumerable.Range(0, Points).Select(s => $"{1700000000000 + s} {s}.5 {s}\n")));
            Write($"{run}/artifacts/a.txt", $"artifact {i}");
        }
        Write(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\n");

        var (partly, have) = (0, 0L);
        for (var kill = 0; kill < 4; kill++)
        {
            using var import = TaktProcess.Start(_folder, "import", "mlflow", mlruns, "-q");
            while (!import.HasExited && Committed() <= have) await Task.Delay(1);
            import.Kill(entireProcessTree: true);
            await import.WaitForExitAsync();
            await using var app = TaktApp.Open(TaktFolder.At(_folder));
            have = Count(app, "run");
            if (have is > 0 and < Runs) partly++;
        }
        Assert.True(partly > 0, "no kill came in the middle");

        var last = await TaktProcess.Run(_folder, "import", "mlflow", mlruns, "-q");
        Assert.True(last.ExitCode == 0, last.Error);
        await using (var app = TaktApp.Open(TaktFolder.At(_folder)))
        {
            Assert.Equal(new long[] { Runs, Runs, Runs, Runs, Runs }, new[] { Count(app, "run"), Count(app, "run_param"), Count(app, "run_metric"), Count(app, "metric_block"), Count(app, "artifact") });
            Assert.Equal(1, app.Database.Read(s => s.Number($"select count(*) from experiment where name = 'big'")));
            foreach (var i in (int[])[0, Runs / 2, Runs - 1])
            {
                Assert.Equal(Points, app.MetricHistory.Of($"{i:x32}", "m", 1000, null).Items.Count);
                await using var content = await app.Artifacts.Open($"7/{i:x32}/artifacts/a.txt", default);
                Assert.Equal($"artifact {i}", await new StreamReader(content).ReadToEndAsync());
            }
        }
        Assert.Contains($"and {Runs} that were here", (await TaktProcess.Run(_folder, "import", "mlflow", mlruns, "-q")).Out);
    }

    /// <summary>Runs that the import has brought in by now, seen from outside.</summary>
    long Committed()
    {
        try
        {
            using var connection = new SqliteConnection($"Data Source={Path.Combine(_folder, ".takt", "takt.db")};Mode=ReadOnly;Pooling=false");
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "select count(*) from run";
            return (long)command.ExecuteScalar()!;
        }
        catch (SqliteException)
        {
            return 0; // not there yet
        }
    }

    static long Count(TaktApp app, string table) => app.Database.Read(s => s.Number(Storage.Sql.Raw($"select count(*) from {table}")))!.Value;

    static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
