using System.Globalization;
using Takt.Deployments;
using Takt.Monitors;
using Takt.Runs;
using Takt.Server;

namespace Takt.Cli.Demo;

/// <summary>
/// Half a year of flights, week by week: the endpoint is asked about every flight, the truth comes a week later, and whatever Takt makes of it, it
/// makes by itself. Nothing here decides anything; the figures are what came out.
/// </summary>
sealed class FlightsStory(TaktServer server, IReadOnlyList<FlightWeek> weeks, Action<string> tell)
{
    const string Endpoint = "flights";
    const string Monitor = "flights";

    /// <summary>A new week's first requests: with them the week before has passed.</summary>
    const int Opening = 4;

    static readonly TimeSpan Often = TimeSpan.FromMilliseconds(50);
    static readonly DateTimeOffset FirstMonday = new(2001, 1, 1, 0, 0, 0, TimeSpan.Zero);

    readonly HttpClient _http = new() { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>Takes the story back to its beginning in a folder where it was played before; versions, runs and the cache stay.</summary>
    public static async Task Rewind(TaktApp app)
    {
        foreach (var alias in (string[])["champion", "candidate"]) await app.Models.DeleteAlias(Endpoint, alias);
        await app.Deployments.Delete(Endpoint);
        await app.Monitors.Table.Clear(Monitor);
        var log = Path.Combine(app.Folder.Predictions, Endpoint);
        if (Directory.Exists(log)) Directory.Delete(log, recursive: true);
        if (app.Datasets.List().Any(d => d.Name == Endpoint)) await app.Datasets.Reset(app.Datasets.Log(Endpoint)[^1].Reference);
        foreach (var file in Directory.GetFiles(Path.Combine(app.Folder.Root, "incoming"), "*.parquet").Order(StringComparer.Ordinal).Skip(Sample.FirstWeeks)) File.Delete(file);
    }

    public async Task<IReadOnlyList<StoryWeek>> Play(CancellationToken cancel)
    {
        var world = new FlightsWorld(_http, Endpoint, Path.Combine(server.App.Folder.Root, "incoming"));
        var story = new List<StoryWeek>();
        FlightWeek? before = null;
        foreach (var week in weeks)
        {
            var answered = await world.Ask(week, 0, Math.Min(Opening, week.Requests), cancel);
            if (before is not null) story.Add(await LookBack(before, cancel));
            await AskRest(world, week, answered, cancel);
            await world.Tell(week, answered, cancel);
            world.HandOver(week);
            before = week;
        }
        if (world.Failed > 0) tell($"{world.Failed} requests failed");
        return story;
    }

    /// <summary>
    /// A week takes a second here, and a rollout looks at its figures twenty times a second: while one is under way the requests come in blocks, so that
    /// it finds its steps within days and not within months.
    /// </summary>
    async Task AskRest(FlightsWorld world, FlightWeek week, List<(int Request, string Prediction)> answered, CancellationToken cancel)
    {
        const int Block = 40;
        for (var at = Opening; at < week.Requests;)
        {
            var rolling = server.App.Deployments.Find(Endpoint)?.Rollout is { Active: true };
            if (rolling) await Task.Delay(2 * Often, cancel);
            var to = rolling ? Math.Min(at + Block, week.Requests) : week.Requests;
            answered.AddRange(await world.Ask(week, at, to, cancel));
            at = to;
        }
    }

    /// <summary>Lets the monitor look at the week that has passed, and waits for what it starts.</summary>
    async Task<StoryWeek> LookBack(FlightWeek week, CancellationToken cancel)
    {
        using (var answer = await _http.PostAsync($"/api/v1/monitors/{Monitor}/tick", null, cancel)) answer.EnsureSuccessStatusCode();
        var start = FirstMonday.AddDays(7 * (week.Number - 1));
        var window = server.App.Monitors.Table.Windows(Monitor).First(w => w.Start == start);
        var trigger = await Ended(window.End, cancel);
        var alerts = server.App.Monitors.Table.Alerts(Monitor).Where(a => a.WindowStart == start).ToList();
        var row = new StoryWeek(week.Number, window.Rows, window.Model, Of("positive_rate"), Of("mean_score"), Of("auc"), Of("log_loss"),
            window.Drift is [var worst, ..] ? string.Create(CultureInfo.InvariantCulture, $"{worst.Column} {worst.Psi:0.00}") : "", Action(trigger, alerts));
        tell(Line(row, alerts));
        return row;

        double? Of(string metric) => window.Performance.TryGetValue(metric, out var value) ? value : null;
    }

    /// <summary>The pipeline that the week's alert started, once it is over; null when none was started.</summary>
    async Task<TriggerEvent?> Ended(DateTimeOffset windowEnd, CancellationToken cancel)
    {
        while (true)
        {
            var trigger = server.App.Monitors.Table.Triggers().FirstOrDefault(t => t.EventTime == windowEnd);
            if (trigger is null or { State: "done" }) return trigger;
            await Task.Delay(Often, cancel);
        }
    }

    string Action(TriggerEvent? trigger, List<Alert> alerts)
    {
        if (trigger is null) return alerts.Count == 0 ? "" : "alert; retrained a short while ago";
        if (trigger.Run is null) return trigger.Outcome;
        var run = new RunId(trigger.Run);
        var stages = server.App.Pipelines.Stages.Of(run);
        if (trigger.Outcome == "gate not passed") return $"retrained, refused: {stages.First(s => s.State == StageState.NotPassed).Summary}";
        if (trigger.Outcome != "succeeded") return $"retraining failed: {stages.FirstOrDefault(s => s.State == StageState.Failed)?.Summary}";
        var cached = stages.First(s => s.Stage == "train").State is not StageState.Ran;
        var registered = stages.First(s => s.Stage == "register").Summary.Split(' ')[0];
        return $"{(cached ? "model from the cache" : "retrained")} → {registered}, canary";
    }

    /// <summary>How each rollout ended, by the version that it brought.</summary>
    public IReadOnlyDictionary<string, string> Rollouts()
    {
        var revisions = server.App.Deployments.Revisions(Endpoint).ToDictionary(r => r.Number, r => r.Model ?? "");
        return server.App.Deployments.Rollouts(Endpoint).GroupBy(r => revisions[r.Revision]).ToDictionary(g => g.Key, g => g.First().State switch
        {
            RolloutState.Succeeded => "promoted",
            RolloutState.RolledBack => $"rolled back: {g.First().Evidence}",
            RolloutState.Superseded => "superseded by the next",
            var state => state.ToString().ToLowerInvariant(),
        });
    }

    static string Line(StoryWeek week, List<Alert> alerts)
    {
        var alert = alerts.Count == 0 ? "" : $"   ALERT {string.Join("; ", alerts.Select(a => $"{a.Kind}: {a.Message}"))}";
        var action = week.Action.Length == 0 ? "" : $"\n           {week.Action}";
        return string.Create(CultureInfo.InvariantCulture,
            $"week {week.Week,2}   {week.Flights,6:N0} flights, {week.Late,5:P1} late, {week.Predicted,5:P1} predicted by {week.Model}, AUC {week.Auc:0.000}{alert}{action}");
    }
}
