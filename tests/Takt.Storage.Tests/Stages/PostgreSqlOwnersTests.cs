using Microsoft.Extensions.Time.Testing;
using Takt.Runs;
using Takt.Storage.FileSystem;
using Takt.Storage.PostgreSql;
using Takt.Tests.Services;

namespace Takt.Storage.Tests.Stages;

/// <summary>Two folders, as of two machines, on one database.</summary>
public sealed class PostgreSqlOwnersTests(PostgreSqlServer server) : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_run_of_another_folder_is_left_alone_and_its_outputs_here_too_until_its_own_folder_ends_it()
    {
        await using var database = PostgreSqlDatabase.Open(await server.NewSchema());
        using var blobs = new FolderBlobStore(Path.Combine(_folder, "store"));
        var runs = new RunTracker(database, blobs, TimeProvider.System, Path.Combine(_folder, "cache"));
        var (one, two) = (Folder("one"), Folder("two"));
        var tags = (string kind) => new Dictionary<string, string> { [PipelineRunner.KindTag] = kind };
        var run = await runs.Start(new StartRun("p", "pipeline", Tags: tags("pipeline")));
        var part = await runs.Start(new StartRun("p", "a", run, tags("stage")));
        Directory.CreateDirectory(Path.Combine(one.Runs, run.Value));
        await Runner(one).Stages.Begin(new StageRun(run, "a", StageState.Running, null, part, DateTimeOffset.UnixEpoch, null, ""), ["a.txt"]);

        await Runner(two).EndLeftovers();
        Assert.Equal([run, part], runs.Unfinished().Select(r => r.Id));
        Assert.True(File.Exists(Path.Combine(two.Root, "a.txt")));

        await Runner(one).EndLeftovers();
        Assert.Empty(runs.Unfinished());
        Assert.Equal(RunStatus.KILLED, runs.Get(run).Status);
        Assert.False(File.Exists(Path.Combine(one.Root, "a.txt")));
        Assert.True(File.Exists(Path.Combine(two.Root, "a.txt")));

        PipelineRunner Runner(TaktFolder folder) => new(folder, database, blobs, runs, [], new NoCommands(), TimeProvider.System, new Leases(database, TimeProvider.System, Leases.OwnerOf(folder.State)));
    }

    [Fact]
    public async Task A_run_whose_machine_vanished_is_ended_as_failed_by_another_and_cleaned_up_when_its_folder_comes_back()
    {
        await using var database = PostgreSqlDatabase.Open(await server.NewSchema());
        using var blobs = new FolderBlobStore(Path.Combine(_folder, "store"));
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        var runs = new RunTracker(database, blobs, time, Path.Combine(_folder, "cache"));
        var (one, two) = (Folder("one"), Folder("two"));
        var run = await runs.Start(new StartRun("p", "pipeline", Tags: new Dictionary<string, string> { [PipelineRunner.KindTag] = "pipeline" }));
        var part = await runs.Start(new StartRun("p", "a", run, new Dictionary<string, string> { [PipelineRunner.KindTag] = "stage" }));
        Directory.CreateDirectory(Path.Combine(one.Runs, run.Value));
        await Runner(one).Stages.Begin(new StageRun(run, "a", StageState.Running, null, part, time.GetUtcNow(), null, ""), ["a.txt"]);
        Assert.True(await database.Write(session => new Leases(database, time, "one:/data/1").Take(session, "run/" + run)));

        await Runner(two).EndVanished();
        Assert.Equal(2, runs.Unfinished().Count);
        time.Advance(Leases.Life);
        await Runner(one).EndVanished(); // its own folder asks its lock instead
        Assert.Equal(2, runs.Unfinished().Count);
        await Runner(two).EndVanished();
        Assert.Empty(runs.Unfinished());
        var ended = runs.Get(run);
        Assert.Equal((RunStatus.FAILED, RunStatus.FAILED), (ended.Status, runs.Get(part).Status));
        Assert.Equal("its machine was gone: nothing was heard of one:/data/1 for 2 minutes", ended.Tags[PipelineRunner.ReasonTag]);
        Assert.Equal(StageState.Interrupted, Assert.Single(Runner(two).Stages.Of(run)).State);

        await Runner(one).EndLeftovers();
        Assert.False(File.Exists(Path.Combine(one.Root, "a.txt"))); // half written
        Assert.True(File.Exists(Path.Combine(two.Root, "a.txt")));
        Assert.Equal(RunStatus.FAILED, runs.Get(run).Status);
        Assert.Equal(0, database.Read(session => session.Number($"select count(*) from lease")));

        PipelineRunner Runner(TaktFolder folder) => new(folder, database, blobs, runs, [], new NoCommands(), time, new Leases(database, time, Leases.OwnerOf(folder.State)));
    }

    TaktFolder Folder(string name)
    {
        var root = Path.Combine(_folder, name);
        Directory.CreateDirectory(root);
        File.WriteAllText(Path.Combine(root, "a.txt"), "half");
        return new TaktFolder(root, Path.Combine(root, ".takt"));
    }

    sealed class NoCommands : IExecutor
    {
        public Task<int> Run(CommandRun command, CancellationToken cancel) => throw new NotSupportedException();

        public void EndLeftover(string log)
        {
        }
    }
}
