namespace Takt.Runs;

/// <param name="Command">For <c>sh -c</c>.</param>
/// <param name="Folder">Where it starts, absolute.</param>
/// <param name="Env">All that it is given beside PATH, HOME and LANG.</param>
/// <param name="Log">A file that receives both of its streams.</param>
public sealed record CommandRun(string Command, string Folder, IReadOnlyDictionary<string, string> Env, string Log, TimeSpan? Timeout);
