namespace Takt.Runs;

/// <summary>What a listener (the terminal, the live page) is told while a pipeline runs.</summary>
/// <param name="Line">A line of the stage's log; null: the state changed.</param>
public sealed record StageNews(StageRun Stage, string? Line);
