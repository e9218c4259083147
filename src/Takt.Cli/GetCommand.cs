using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Data.WorkTrees;
using Takt.Server;

namespace Takt.Cli;

/// <summary><c>takt data get</c>: the files of a version that a remote has, without a clone, a project or a store here.</summary>
static class GetCommand
{
    public static Command Create()
    {
        var address = new Argument<string>("remote") { Description = "A folder, s3://bucket/prefix?endpoint=…, or http://host:port of a Takt server; a remote's name inside a project" };
        var version = new Argument<string>("version") { Description = "NAME, NAME@REF, NAME@v12 or NAME@sha256:…" };
        var target = new Argument<string?>("folder") { Description = "A folder to be made; else one of the dataset's name", Arity = ArgumentArity.ZeroOrOne };
        var only = new Option<string?>("--only") { Description = "A path or glob within: only these files" };
        var command = new Command("get", "Files of a version straight from a remote: takt data get http://takt.example:5000 trips@v3 trips/") { address, version, target, only };
        command.SetAction(async (parsed, cancel) =>
        {
            var wanted = DatasetReference.Parse(parsed.GetRequiredValue(version));
            var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(parsed.GetValue(target) ?? wanted.Dataset, ProjectFolder.Start(parsed)));
            if (Path.Exists(folder)) throw TaktException.Conflict($"'{folder}' is there already; name another folder, or remove it");
            var place = AddressOf(parsed, parsed.GetRequiredValue(address));
            // beside it, on its file system; what was cut off goes on from what is there
            var aside = Path.Combine(Path.GetDirectoryName(folder)!, $".{Path.GetFileName(folder)}.takt-get");
            DatasetCommit commit;
            try
            {
                commit = await Aside(aside, app => Bring(parsed, app, place, parsed.GetRequiredValue(version), parsed.GetValue(only), Path.Combine(aside, "files"), cancel));
            }
            catch (TaktException e) when (e.Error is not (TaktError.Unavailable or TaktError.Cancelled))
            {
                Directory.Delete(aside, recursive: true); // to try again would not help
                throw;
            }
            Directory.Move(Path.Combine(aside, "files"), folder);
            Directory.Delete(aside, recursive: true);
            var (files, bytes) = Sizes(folder);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["folder"] = folder, ["dataset"] = commit.Dataset, ["commit"] = commit.Id.ToString(), ["files"] = files, ["bytes"] = bytes });
            else Console.Error.WriteLine($"{parsed.GetValue(target) ?? wanted.Dataset} holds {commit.Dataset}@{DataText.Short(commit.Id)}: {DataText.Count(files, "file")}, {DataText.Size(bytes)}");
            return ExitCode.Ok;
        });
        return command;

        static async Task<DatasetCommit> Bring(ParseResult parsed, TaktApp app, string place, string version, string? only, string files, CancellationToken cancel)
        {
            await using var from = app.OpenRemote(place, write: false);
            using var line = ProgressLine.Show(parsed, $"getting {version}");
            return await new VersionDownload(app.Database, app.Blobs, app.Datasets, app.Time).Run(from, version, only, files, line.Say, cancel);
        }
    }

    /// <summary>A name among the remotes of the project around, else an address; a relative folder is meant from here.</summary>
    public static string AddressOf(ParseResult parsed, string given)
    {
        var (start, tree) = (ProjectFolder.Start(parsed), WorkTree.Find(ProjectFolder.Start(parsed)));
        if (RemoteList.Read(new TaktFolder(tree.Root, tree.State)).FirstOrDefault(remote => remote.Name == given) is { } known) return known.Address;
        return given.Contains("://", StringComparison.Ordinal) ? given : Path.GetFullPath(given, start);
    }

    /// <summary>Works with a store of its own in a folder, which stays.</summary>
    public static async Task<T> Aside<T>(string folder, Func<TaktApp, Task<T>> work)
    {
        Directory.CreateDirectory(folder);
        await using var app = TaktApp.Open(new TaktFolder(folder, Path.Combine(folder, ".takt")), options: new TaktOptions { Database = new("database", null, "default"), Blobs = new("blobs", null, "default") });
        return await work(app);
    }

    static (long Files, long Bytes) Sizes(string folder)
    {
        var (files, bytes) = (0L, 0L);
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)) (files, bytes) = (files + 1, bytes + (file.LinkTarget is null ? file.Length : 0));
        return (files, bytes);
    }
}
