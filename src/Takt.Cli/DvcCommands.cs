using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Data.WorkTrees;
using Takt.Server;

namespace Takt.Cli;

/// <summary><c>takt data import-dvc</c>: what DVC tracks in this work tree comes under Takt's version control.</summary>
static class DvcCommands
{
    public static Command Import()
    {
        var paths = new Argument<string[]>("file") { Description = ".dvc files; all of the work tree when left out", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("import-dvc", "Take over what DVC tracks here, from the work tree or DVC's cache: takt data import-dvc") { paths };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = WorkTree.Find(ProjectFolder.Start(parsed));
            var dvc = new DvcImport(tree.Root);
            var wanted = parsed.GetValue(paths) is { Length: > 0 } some ? some.Select(path => tree.Relative(Path.Combine(ProjectFolder.Start(parsed), path))).ToList() : dvc.Find();
            if (wanted.Count == 0) throw TaktException.NotFound($"no .dvc file below '{tree.Root}'");
            await using var app = ProjectFolder.Open(parsed, new TaktFolder(tree.Root, tree.State));
            var (versions, faults, done) = (new VersionedPaths(tree, app.Database, app.Blobs, app.Time), new List<string>(), new JsonArray());
            foreach (var pointer in wanted)
            {
                try
                {
                    foreach (var path in dvc.Prepare(pointer))
                    {
                        var (commit, isNew, _) = await versions.Add(path, null, Data.DatasetReference.Main, $"import {pointer}", cancel: cancel);
                        done.Add((JsonNode)new JsonObject { ["dvc"] = pointer, ["path"] = path, ["new"] = isNew, ["dataset"] = commit?.Dataset, ["commit"] = commit?.Id.ToString() });
                        if (!parsed.GetValue(CommandLine.Json)) Console.WriteLine($"{path}: {(commit is null ? "stored" : $"{commit.Dataset}@{DataText.Short(commit.Id)}, {commit.Files:N0} files, {DataText.Size(commit.Bytes)}")}; git keeps {path}.takt, and {pointer} is no longer needed");
                    }
                }
                catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid or TaktError.Conflict)
                {
                    faults.AddRange(e.Faults); // the others are taken over all the same
                }
            }
            if (faults.Count > 0) throw new TaktException(TaktError.NotFound, faults);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["imported"] = done });
            return ExitCode.Ok;
        });
        return command;
    }
}
