using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Data.Dvc;
using Takt.Data.WorkTrees;
using Takt.Server;

namespace Takt.Cli;

/// <summary><c>takt data import-dvc</c>: what DVC tracks in this work tree comes under Takt's version control.</summary>
static class DvcCommands
{
    const int MostFaults = 50;

    public static Command Import()
    {
        var paths = new Argument<string[]>("file") { Description = ".dvc files and dvc.lock; all of the work tree when left out", Arity = ArgumentArity.ZeroOrMore };
        var remote = new Option<string?>("--remote") { Description = "The only remote of DVC's that is asked; else the default one, then the others" };
        var history = new Option<bool>("--all-commits") { Description = "First every version that the pointers in git's history name" };
        var command = new Command("import-dvc", "Take over what DVC tracks here, from its cache, the work tree or its remotes: takt data import-dvc") { paths, remote, history };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = WorkTree.Find(ProjectFolder.Start(parsed));
            if (parsed.GetValue(history) && parsed.GetValue(paths) is { Length: > 0 }) throw TaktException.Invalid("--all-commits goes over all pointers of git's history: leave the files out");
            await using var app = ProjectFolder.Open(parsed, new TaktFolder(tree.Root, tree.State));
            using var dvc = new DvcImport(tree, app.Database, app.Blobs, app.Time, app.DvcBuckets, parsed.GetValue(remote));
            var wanted = parsed.GetValue(paths) is { Length: > 0 } some ? some.Select(path => tree.Relative(Path.Combine(ProjectFolder.Start(parsed), path))).ToList() : dvc.Find();
            if (wanted.Count == 0 && !parsed.GetValue(history)) throw TaktException.NotFound($"no .dvc file and no dvc.lock below '{tree.Root}'");
            var json = parsed.GetValue(CommandLine.Json);
            DvcImported? before = null;
            DvcImported done;
            using (ProgressLine.Show(parsed, "importing"))
            {
                if (parsed.GetValue(history)) before = await dvc.History(json ? null : Tell, cancel);
                done = await dvc.Run(wanted, json ? null : Tell, cancel);
            }
            var (left, faults) = ((before?.Left ?? []).Concat(done.Left).Distinct().ToList(), (before?.Faults ?? []).Concat(done.Faults).Distinct().ToList());
            if (json)
                Terminal.Json(new JsonObject
                {
                    ["imported"] = new JsonArray([.. (before?.Taken ?? []).Concat(done.Taken).Select(one => new JsonObject { ["dvc"] = one.Pointer, ["path"] = one.Path, ["new"] = one.IsNew, ["dataset"] = one.Commit?.Dataset, ["commit"] = one.Commit?.Id.ToString(), ["bytes"] = one.Bytes })]),
                    ["movedFiles"] = done.MovedFiles,
                    ["movedBytes"] = done.MovedBytes,
                    ["left"] = new JsonArray([.. left.Select(what => (JsonNode)what)]),
                    ["faults"] = new JsonArray([.. faults.Select(what => (JsonNode)what)]),
                });
            else
            {
                Console.Error.WriteLine($"{DataText.Count(done.MovedFiles, "file")} ({DataText.Size(done.MovedBytes)}) brought in; the pointers PATH.takt are git's to keep, and DVC's own files are as they were");
                foreach (var what in left) Terminal.Note($"left: {what}", Terminal.Tone.Dim);
                foreach (var what in faults.Take(MostFaults)) Terminal.Note($"takt: {what}", Terminal.Tone.Bad);
                if (faults.Count > MostFaults) Terminal.Note($"takt: and {faults.Count - MostFaults:N0} more", Terminal.Tone.Bad);
                if (faults.Count > 0) Terminal.Note("what is named here was not taken over; when it is there ('dvc fetch'), the same command goes on, and brings in nothing twice");
            }
            return faults.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    static void Tell(DvcTaken one) => Console.WriteLine(one.Commit is { } commit
        ? $"{one.Path}: {commit.Dataset}@{DataText.Short(commit.Id)}, {DataText.Count(commit.Files, "file")}, {DataText.Size(commit.Bytes)}{(one.IsNew ? "" : ", as before")}"
        : $"{one.Path}: {DataText.Size(one.Bytes)}{(one.IsNew ? "" : ", as before")}");
}
