using System.Globalization;

namespace Takt.Server.Dashboard;

/// <summary>All experiments, the newest change first.</summary>
static class ExperimentsPage
{
    const int Together = 100;

    public static (string, Html) Render(TaktApp app, Workspace workspace, string find, string page)
    {
        var now = app.Time.GetUtcNow();
        var at = int.TryParse(page, CultureInfo.InvariantCulture, out var number) ? Math.Clamp(number, 1, 10_000) : 1;
        var list = app.ExperimentGrid.In(workspace).List(find, Together + 1, (at - 1) * Together);
        string Url(int to) => $"/experiments?{(find.Length == 0 ? "" : $"find={Uri.EscapeDataString(find)}&")}page={to}";
        return ("Experiments", Html.Of($"""
            <section class="card"><form class="toolbar" method="get" action="/experiments" role="search"><label class="field wide"><span>Name</span><input type="search" name="find" value="{find}"></label><button class="primary">Search</button></form>
            {(list.Count == 0 ? find.Length == 0 ? Parts.Empty("An experiment is a group of runs. There is none yet; the first run makes one:", "takt run\nmlflow.set_experiment(\"NAME\")") : Html.Of($"<div class=\"empty\"><p>No experiment has such a name. <a href=\"/experiments\">All experiments</a></p></div>") : Parts.Table(["Experiment", "Id", "Runs", "Newest run", "Changed"], list.Take(Together).Select(e => new[]
            {
                Parts.Link($"/runs?experiment={e.Id}", Parts.Cut(e.Name, 90)), Html.Of($"<code>{e.Id}</code>"), Parts.Count(e.Runs), e.Newest is { } newest ? Parts.Time(RunListPage.Millis(newest), now) : Html.None, Parts.Time(e.UpdatedAt, now),
            }), "", "", "Experiments", numbers: [2]))}
            {(at == 1 && list.Count <= Together ? Html.None : Html.Of($"""<p class="pager"><span class="pages">{(at > 1 ? Html.Of($"<a rel=\"prev\" href=\"{Url(at - 1)}\">← Previous</a>") : Html.None)} {(list.Count > Together ? Html.Of($"<a rel=\"next\" href=\"{Url(at + 1)}\">Next →</a>") : Html.None)}</span></p>"""))}</section>
            """));
    }
}
