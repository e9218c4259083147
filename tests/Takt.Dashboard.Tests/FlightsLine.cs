using Takt.Runs;
using Takt.Server;

namespace Takt.Dashboard.Tests;

/// <summary>A server on a folder where the flights sample has run once.</summary>
public sealed class FlightsLine : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-dash").FullName;

    public TaktServer Server { get; private set; } = null!;

    public string Run { get; private set; } = "";

    public string Address => Server.Address.ToString().TrimEnd('/');

    public async ValueTask InitializeAsync()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root!.FullName, "Takt.slnx"))) root = root.Parent;
        var sample = Path.Combine(root.FullName, "samples", "flights");
        Directory.CreateDirectory(Path.Combine(_folder, "sql"));
        Directory.CreateDirectory(Path.Combine(_folder, "incoming"));
        foreach (var file in (string[])["takt.yaml", "params.yaml", "sql/train-set.sql", "sql/test-set.sql"]) File.Copy(Path.Combine(sample, file), Path.Combine(_folder, file));
        foreach (var week in (string[])["01", "02", "03", "04"]) File.Copy(Path.Combine(sample, "weeks", $"2001-W{week}.parquet"), Path.Combine(_folder, "incoming", $"2001-W{week}.parquet"));

        Server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0);
        var result = await Server.App.Pipelines.Run(new PipelineRequest([]));
        Assert.True(result.Succeeded, string.Join('\n', result.Stages));
        Run = result.Run.Value;
        while (Server.App.Router.Find("flights") is null) await Task.Delay(20);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null) await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
