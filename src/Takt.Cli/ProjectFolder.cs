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

    /// <summary>The nearest project, or the folder itself when it is one that <c>takt serve --data</c> has made: such a folder needs no <c>takt.yaml</c>.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    public static TaktFolder Served(ParseResult parsed) =>
        TaktFolder.Find(Start(parsed)) is null && TaktFolder.At(Start(parsed)) is var folder && (File.Exists(folder.Socket) || File.Exists(folder.Database)) ? folder : Require(parsed);

    public static TaktApp Open(ParseResult parsed) => Open(parsed, Require(parsed));

    public static TaktApp Open(ParseResult parsed, TaktFolder folder)
    {
        Terminal.Detail($"opens {folder.Root}");
        return TaktApp.Open(folder, options: Options(parsed, folder));
    }

    /// <summary>Where rows and bytes are, by flags, environment, <c>takt.config</c> or default.</summary>
    public static TaktOptions Options(ParseResult parsed, TaktFolder folder) =>
        TaktOptions.Read(folder, parsed.GetValue(CommandLine.Database), parsed.GetValue(CommandLine.Blobs));

    /// <summary>The nearest project, else the folder itself as one that has no <c>takt.yaml</c> yet.</summary>
    public static TaktFolder At(ParseResult parsed) => TaktFolder.Find(Start(parsed)) ?? TaktFolder.At(Start(parsed));

    public static string Start(ParseResult parsed) => Path.GetFullPath(parsed.GetValue(CommandLine.Folder) ?? Environment.CurrentDirectory);
}
