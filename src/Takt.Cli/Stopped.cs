namespace Takt.Cli;

/// <summary>What a command that was stopped (Ctrl-C, SIGTERM) leaves behind, in words.</summary>
static class Stopped
{
    static readonly Dictionary<string, string> Left = new(StringComparer.Ordinal)
    {
        ["run"] = "stages that had ended are kept; `takt run` goes on from there",
        ["demo"] = "`takt demo` begins anew, with what was computed taken from the cache",
        ["score"] = "the output was not written",
        ["data add"] = "no version was made; what was stored for it is found again",
        ["data commit"] = "no version was made; what was stored for it is found again",
        ["data collect"] = "no version was made, and the cursor stands where it stood",
        ["data checkout"] = "each file is the old or the new one, whole; the same command goes on",
        ["data pull"] = "what has come is kept; the same command goes on",
        ["data fetch"] = "what has come is kept; the same command goes on",
        ["data push"] = "what has arrived is kept; the same command goes on",
        ["data import-dvc"] = "what was taken over is kept; the same command goes on",
        ["import mlflow"] = "what was copied is kept; the same command goes on",
        ["data gc"] = "nothing that is needed is gone; the same command goes on",
        ["gc"] = "what was removed is gone, all else is whole; the same command goes on",
        ["deploy status"] = "only the watching: a rollout goes on by itself",
        ["deploy promote"] = "only the waiting: a rollout goes on by itself",
        ["deploy resume"] = "only the waiting: a rollout goes on by itself",
        ["deploy rollback"] = "only the waiting: a rollout goes on by itself",
    };

    /// <param name="command">The command's words, without <c>takt</c>.</param>
    public static TaktException Of(string command) => new(TaktError.Cancelled, Left.TryGetValue(command, out var left) ? $"stopped: {left}" : "stopped");
}
