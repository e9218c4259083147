using Takt.Data;
using Takt.Server;

namespace Takt.Tests.Data;

/// <summary>A project in a folder of its own, and what is collected into it.</summary>
public abstract class CollectingTests : IAsyncDisposable
{
    protected CollectingTests() => App = TaktApp.Open(new TaktFolder(Folder, Path.Combine(Folder, ".takt")));

    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;

    protected TaktApp App { get; }

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected string PathOf(string name) => Path.Combine(Folder, name);

    protected Task<Committed> Collect(CollectRequest request) => App.Collector.Collect(request with { Folder = Folder });

    protected async Task<Table> Rows(string sql) => await new DatasetQuery(App.Datasets).Table(sql, 1000);
}
