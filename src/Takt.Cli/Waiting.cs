using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Pipelines;

namespace Takt.Cli;

/// <summary><c>--wait</c> and <c>--timeout</c>: until a rollout is over, for scripts that go on when it is.</summary>
static class Waiting
{
    static readonly TimeSpan Often = TimeSpan.FromSeconds(1);

    public static Option<bool> Wait(string until) => new("--wait") { Description = $"Wait until {until}" };

    public static Option<TimeSpan?> Timeout(string what)
    {
        var option = new Option<TimeSpan?>("--timeout")
        {
            Description = $"{what}: 30s, 15m, 2h",
            CustomParser = result =>
            {
                if (Quantity.TryDuration(result.Tokens[0].Value, out var time)) return time;
                result.AddError($"--timeout is '{result.Tokens[0].Value}', not a duration such as 30s, 15m or 2h");
                return null;
            },
        };
        return option;
    }

    /// <summary>Follows the endpoint's rollout until it is over.</summary>
    /// <returns>0 when it has succeeded, or there is none; else 1, with the evidence told.</returns>
    /// <exception cref="TaktException">Unavailable: no server moves it on.</exception>
    /// <exception cref="TimeoutException">It is not over yet.</exception>
    public static async Task<int> ForRollout(ParseResult parsed, ApiClient api, string endpoint, TimeSpan? timeout, CancellationToken cancel)
    {
        if (api.InProcess) throw new TaktException(TaktError.Unavailable, $"no server runs on this folder, and a rollout moves on only while one does: start `takt serve`, or name one with --server");
        var began = TimeProvider.System.GetTimestamp();
        using var line = ProgressLine.Show(parsed, "waiting");
        while (true)
        {
            var answer = await api.Get($"/api/v1/deployments/{Uri.EscapeDataString(endpoint)}", cancel);
            var rollout = answer["rollout"] as JsonObject;
            if (!DeployText.Active(answer))
            {
                line.Dispose();
                var well = rollout is null || rollout.Text("state") == "Succeeded";
                if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
                else Terminal.Note(rollout is null ? $"{endpoint}: no rollout" : DeployText.Line(answer), well ? Terminal.Tone.Good : Terminal.Tone.Bad);
                return well ? ExitCode.Ok : ExitCode.Failed;
            }
            line.Say(DeployText.Line(answer));
            if (timeout is { } most && TimeProvider.System.GetElapsedTime(began) > most)
            {
                line.Dispose();
                throw new TimeoutException($"{DeployText.Line(answer)}: not over after {DataText.Took(most)}; it goes on, and `takt deploy status {endpoint} --wait` waits again");
            }
            await Task.Delay(Often, cancel);
        }
    }
}
