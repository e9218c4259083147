using System.CommandLine;
using Takt.Server;

namespace Takt.Cli;

/// <summary>The project that a command works on.</summary>
static class ProjectFolder
{
    /// <summary>The nearest project at or above the folder of <c>-C</c>, else the current one.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    public static TaktFolder Require(ParseResult parsed) => TaktFolder.Find(Start(parsed))
        ?? throw TaktException.NotFound($"no {TaktFolder.ProjectFileName} in {Start(parsed)} or above it; `takt init` makes one");

    public static TaktApp Open(ParseResult parsed) => TaktApp.Open(Require(parsed));

    public static string Start(ParseResult parsed) => Path.GetFullPath(parsed.GetValue(CommandLine.Folder) ?? Environment.CurrentDirectory);
}
