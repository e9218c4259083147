namespace Takt.Runs;

/// <param name="Stages">These and what they need; empty: all.</param>
/// <param name="Force">Runs what is cached as well.</param>
/// <param name="Jobs">Stages at once; 0: as many as there are cores.</param>
/// <param name="Trigger">Why it runs: <c>manual</c>, <c>drift</c> …; a tag of the run.</param>
public sealed record PipelineRequest(IReadOnlyList<string> Stages, bool Force = false, int Jobs = 0, string Trigger = "manual");
