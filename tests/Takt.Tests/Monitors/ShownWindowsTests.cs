using Takt.Data;
using Takt.Monitors;
using Takt.Server;
using Takt.Server.Dashboard;
using Takt.Tests.Cli;

namespace Takt.Tests.Monitors;

/// <summary>What a reader sees of the windows, in the terminal and on the page: the measures of the model's own task, and when in the day.</summary>
public sealed class ShownWindowsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-windows").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    async Task<TaktApp> With(Dictionary<string, double> performance)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\nmonitor:\n  weather: { drift: { window: 1h } }\n");
        var app = TaktApp.Open(TaktFolder.At(_folder));
        for (var hour = 0; hour < 2; hour++)
            await app.Monitors.Table.Put(new MonitorWindow("weather", Noon.AddHours(hour), Noon.AddHours(hour + 1), 500, 500, "weather@1", [], performance, "alert"), [("performance", "it is worse", "{}")], null);
        return app;
    }

    [Fact]
    public async Task A_model_of_numbers_has_its_error_and_its_mean_and_no_per_cent_of_a_class()
    {
        await using (var app = await With(new() { ["rmse"] = 2.5616, ["mae"] = 2.0277, ["r2"] = 0.88, ["mean_score"] = 19.8576 }))
        {
            var page = MonitorPage.Render(app).Item2.Value;
            foreach (var shown in (string[])["RMSE", "2.5616", "MAE", "Mean prediction", "19.8576", "2026-03-01 12:00", "2026-03-01 13:00"]) Assert.Contains(shown, page);
            foreach (var absent in (string[])["AUC", "Predicted", "1,985"]) Assert.DoesNotContain(absent, page);
        }
        var told = await TaktProcess.Run(_folder, "monitor", "show", "weather");
        foreach (var shown in (string[])["RMSE", "2.562", "2026-03-01 13:00"]) Assert.Contains(shown, told.Out);
        Assert.DoesNotContain("AUC", told.Out);
    }

    [Fact]
    public async Task A_model_of_two_classes_has_what_was_predicted_and_what_happened()
    {
        await using var app = await With(new() { ["auc"] = 0.684, ["log_loss"] = 0.48, ["mean_score"] = 0.176, ["positive_rate"] = 0.208 });
        var page = MonitorPage.Render(app).Item2.Value;
        foreach (var shown in (string[])["AUC", "0.684", "17.6", "20.8"]) Assert.Contains(shown, page);
        Assert.DoesNotContain("Mean prediction", page);
    }

    [Fact]
    public void Rows_of_one_request_are_told_apart_by_their_ids()
    {
        var ids = Column.Of("id", ["p-01a229c7977d70778bc3d5d9bbda45b6:0", "p-01a229c7977d70778bc3d5d9bbda45b6:19"]);
        Assert.Contains("d9bbda45b6:0<", DeploymentPages.Cell(ids, 0).Value);
        Assert.Contains("bbda45b6:19<", DeploymentPages.Cell(ids, 1).Value);
        Assert.Equal("1", DeploymentPages.Cell(Column.Of("label", [1.0]), 0).Value);
    }
}
