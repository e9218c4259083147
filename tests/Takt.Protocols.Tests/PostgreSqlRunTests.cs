using System.Diagnostics;
using Takt.Runs;
using Takt.Server;
using Takt.Tests.Services;

namespace Takt.Protocols.Tests;

/// <summary><c>takt run</c> itself on PostgreSQL, in folders as of two machines.</summary>
public sealed class PostgreSqlRunTests(PostgreSqlServer postgreSql) : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-runs").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_run_leaves_one_of_another_folder_alone_and_a_killed_one_is_ended_by_its_own_folder()
    {
        var options = new TaktOptions { Database = new("database", await postgreSql.NewSchema(), "test"), Blobs = new("blobs", null, "test") };
        await using var watching = TaktApp.Open(TaktFolder.At(Directory.CreateDirectory(Path.Combine(_folder, "third")).FullName), options: options);
        RunStatus Newest(string project) => watching.Runs.List(project).First(run => run.Parent is null).Status;
        var (one, two) = (Project("one"), Project("two"));

        using var killed = Start(one, options);
        while (!File.Exists(Path.Combine(one, "begun"))) Assert.False(killed.WaitForExit(50));
        File.WriteAllText(Path.Combine(two, "go"), "");
        await Run(two, options);
        Assert.Equal((RunStatus.RUNNING, RunStatus.FINISHED), (Newest("one"), Newest("two")));

        killed.Kill(); // and not what it had begun
        await killed.WaitForExitAsync();
        await Run(two, options);
        Assert.Equal(RunStatus.RUNNING, Newest("one"));
        await using (await TaktServer.Start(TaktFolder.At(one), "127.0.0.1", 0, options))
            while (Newest("one") == RunStatus.RUNNING) await Task.Delay(50);
        Assert.Equal(RunStatus.KILLED, Newest("one"));

        File.WriteAllText(Path.Combine(one, "go"), "");
        await Run(one, options);
        Assert.Equal(RunStatus.FINISHED, Newest("one"));
        Assert.Equal("one", File.ReadAllText(Path.Combine(one, "out.txt")).Trim());
    }

    string Project(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllText(Path.Combine(folder, "takt.yaml"), $"takt: 1\nproject: {name}\nstages:\n  wait:\n    run: touch begun; while [ ! -e go ]; do sleep 0.05; done; echo {name} > out.txt\n    out: [out.txt]\n");
        return folder;
    }

    static Process Start(string folder, TaktOptions options)
    {
        var start = new ProcessStartInfo(TaktProgram.Path, ["run"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["TAKT__DATABASE"] = options.Database.Value;
        start.Environment.Remove("TAKT_HOME");
        start.Environment.Remove("TAKT_SERVER");
        return Process.Start(start)!;
    }

    static async Task Run(string folder, TaktOptions options)
    {
        using var run = Start(folder, options);
        var said = run.StandardOutput.ReadToEndAsync();
        var complaint = await run.StandardError.ReadToEndAsync();
        await run.WaitForExitAsync();
        Assert.True(run.ExitCode == 0, $"{await said}{complaint}");
    }
}
