using Takt.Runs;

namespace Takt.Cli;

/// <summary>A pipeline run as it goes: a line for each thing that happens, and a closing table.</summary>
sealed class RunDisplay(bool quiet)
{
    /// <summary>More stages than this, and those that had nothing to do are only counted.</summary>
    const int MostRows = 40;

    int _width = 10;

    public void Tell(StageNews news)
    {
        if (quiet) return;
        var stage = news.Stage;
        _width = Math.Max(_width, stage.Stage.Length);
        if (news.Line is { } line) Terminal.Note($"{stage.Stage.PadRight(_width)} │ {line}", Terminal.Tone.Dim);
        else if (stage.State == StageState.Running) Terminal.Note($"{stage.Stage.PadRight(_width)} ▶ running");
        else if (Terminal.Verbose && stage.State is StageState.Cached or StageState.Restored or StageState.Skipped) Terminal.Note($"{stage.Stage.PadRight(_width)} = {Word(stage.State)}{(stage.Summary.Length > 0 ? ": " + OneLine(stage.Summary) : "")}", Terminal.Tone.Dim);
        else if (stage.State is StageState.Ran) Terminal.Note($"{stage.Stage.PadRight(_width)} ✓ {Seconds(stage)}", Terminal.Tone.Good);
    }

    public void Close(PipelineResult result)
    {
        var shown = result.Stages.Count <= MostRows ? result.Stages : result.Stages.Where(s => s.State is not (StageState.Cached or StageState.Skipped)).Take(MostRows).ToList();
        if (shown.Count > 0) DataText.Rows(["STAGE", "STATE", "TIME", "WHAT"], shown.Select(s => new[] { s.Stage, Word(s.State), Seconds(s), s.State is StageState.Failed or StageState.NotPassed ? "see below" : OneLine(s.Summary) }));
        var counts = result.Stages.GroupBy(s => s.State).OrderBy(g => g.Key).Select(g => $"{g.Count()} {Word(g.Key)}");
        Terminal.Note($"run {result.Run}: {string.Join(", ", counts)}", result.Succeeded ? Terminal.Tone.Good : result.StoppedByGate ? Terminal.Tone.Warn : Terminal.Tone.Bad);
        // a failure in full, below the table, where it is looked for
        foreach (var failed in result.Stages.Where(s => s.State is StageState.Failed)) Terminal.Note($"{failed.Stage} failed: {failed.Summary}", Terminal.Tone.Bad);
        foreach (var refusal in result.Stages.Select(s => s.Refusal).OfType<string>()) Terminal.Note($"refused by {refusal}", Terminal.Tone.Warn);
    }

    static string Word(StageState state) => state switch
    {
        StageState.NotPassed => "refused",
        _ => state.ToString().ToLowerInvariant(),
    };

    static string Seconds(StageRun stage) => stage is { State: StageState.Ran or StageState.Failed or StageState.NotPassed, StartedAt: { } start, EndedAt: { } end } ? DataText.Took(end - start) : "";

    static string OneLine(string text) => text.Split('\n') is [var first, _, ..] ? first + " …" : text;
}
