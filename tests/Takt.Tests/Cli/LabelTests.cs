using Takt.Data;
using Takt.Deployments;
using Takt.Server;

namespace Takt.Tests.Cli;

public sealed class LabelTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-labels").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Labels_of_a_file_reach_the_predictions_of_their_keys_and_of_a_file_with_a_fault_none_does()
    {
        await using var server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0);
        await server.App.Deployments.Deploy(new DeploymentSpec("chat", [1], TimeSpan.Zero, 0, [], null, true, new Upstream("http://127.0.0.1:9/v1", "up", null)), null);
        var (log, now) = (server.App.Predictions.Of("chat"), server.App.Time.GetUtcNow());
        await log.Append(new PredictionBatch(PredictionId.New(now).ToString(), now, now, 1, "m@1", TimeSpan.FromMilliseconds(1), new Table([Column.Of("x", [1.0])]), new Table([Column.Of("y", [0.5])]), "") { Keys = ["0017"] });
        await File.WriteAllTextAsync(Path.Combine(_folder, "wrong.csv"), "key,label,time\n0017,7,\n0018,0,\n,1,\n0019,1,soon\n");
        var wrong = await TaktProcess.Run(_folder, "labels", "add", "chat", "wrong.csv");
        Assert.NotEqual(0, wrong.ExitCode);
        foreach (var fault in (string[])["row 3: the key is missing", "row 4: 'soon' is no time"]) Assert.Contains(fault, wrong.Error);

        await File.WriteAllTextAsync(Path.Combine(_folder, "wrong.csv"), "key,label\n0017,7\n0018,hot\n");
        wrong = await TaktProcess.Run(_folder, "labels", "add", "chat", "wrong.csv");
        Assert.Contains("chat says no classes", wrong.Error);

        await File.WriteAllTextAsync(Path.Combine(_folder, "labels.csv"), "key,label,time\n0017,true,\n0018,0.5,2026-03-01 10:00:00\n0019,,\n");
        var given = await TaktProcess.Run(_folder, "labels", "add", "chat", "labels.csv", "--json");
        Assert.True(given.ExitCode == 0, given.Error);
        Assert.Equal("""{"accepted":2,"without_label":1}""", given.Out.Replace(" ", "", StringComparison.Ordinal).ReplaceLineEndings(""));
        await log.Flush();
        using var connection = (await log.Open())!;
        var labels = Tables.Query(connection, "select p.key, l.label from labels l join predictions p using (id)"); // the key is a text: 0017, not 17
        Assert.Equal((1, "0017", 1.0), (labels.Rows, labels["key"].TextAt(0), labels["label"].NumberAt(0)));
        var absent = await TaktProcess.Run(_folder, "labels", "add", "nobody", "labels.csv");
        Assert.Equal(4, absent.ExitCode);
    }
}
