using System.CommandLine;
using Takt.Storage;

namespace Takt.Cli;

/// <summary><c>takt init</c>: a project in the current folder.</summary>
static class InitCommand
{
    const string Template = """
        takt: 1
        project: {0}

        # data:                        # what comes in: files as they arrive become versions of a dataset
        #   sales:
        #     source: incoming/*.csv
        #     path: data/sales/
        #     expect: {{ columns: {{ amount: {{ type: number, min: 0 }} }} }}

        stages:                        # what is made of it; a stage runs again when something that it reads has changed
          hello:
            run: echo "hello from takt" > hello.txt
            out: [hello.txt]

        """;

    public static Command Create()
    {
        var from = new Option<string?>("--from") { Description = "Start from a sample: flights" };
        var command = new Command("init", "Make a project in this folder") { from };
        command.SetAction(parsed =>
        {
            var folder = ProjectFolder.Start(parsed);
            Directory.CreateDirectory(folder);
            if (parsed.GetValue(from) is { } sample) Sample.Copy(sample, folder);
            else
            {
                var file = Path.Combine(folder, TaktFolder.ProjectFileName);
                if (File.Exists(file)) throw TaktException.Conflict($"{folder} has a {TaktFolder.ProjectFileName} already");
                Files.WriteAtomically(file, string.Format(Template, Path.GetFileName(Path.TrimEndingDirectorySeparator(folder))));
            }
            Ignore(Path.Combine(folder, ".gitignore"));
            Terminal.Note($"a project in {folder}: `takt run` runs it, `takt serve` serves it", Terminal.Tone.Good);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>State stays out of git.</summary>
    static void Ignore(string path)
    {
        var text = File.Exists(path) ? File.ReadAllText(path) : "";
        if (text.Split('\n').Any(line => line.Trim() is ".takt" or ".takt/")) return;
        Files.WriteAtomically(path, text + (text.Length == 0 || text.EndsWith('\n') ? "" : "\n") + ".takt/\n");
    }
}
