namespace Takt.Data;

/// <param name="Groups">What several paths begin with, up to and with the delimiter.</param>
/// <param name="More">There is something behind the last of both.</param>
public sealed record FilePage(IReadOnlyList<TreeFile> Files, IReadOnlyList<string> Groups, bool More);
