using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Data.WorkTrees;
using Takt.Server;

namespace Takt.Cli;

/// <summary><c>takt data remote</c>, <c>push</c>, <c>fetch</c>, <c>pull</c>: versions between this store and another.</summary>
static class RemoteCommands
{
    public static IEnumerable<Command> All() => [Remotes(), Push(), Fetch(pull: false), Fetch(pull: true), GetCommand.Create(), DvcCommands.Import()];

    static Command Remotes()
    {
        var command = new Command("remote", "The stores that data is pushed to and pulled from; takt.config names them");
        var (name, address) = (new Argument<string>("name"), new Argument<string>("address") { Description = "A folder, s3://bucket/prefix?endpoint=…, or http://host:port of a Takt server" });
        var add = new Command("add", "takt data remote add origin s3://bucket/team?endpoint=https://s3.example") { name, address };
        add.SetAction(parsed =>
        {
            var given = parsed.GetRequiredValue(address);
            // a relative folder is meant from here, and the file is read from anywhere
            var place = given.Contains("://", StringComparison.Ordinal) ? given : Path.GetFullPath(Path.Combine(ProjectFolder.Start(parsed), given));
            RemoteList.Add(Folder(parsed), parsed.GetRequiredValue(name), place);
            Console.WriteLine($"{parsed.GetRequiredValue(name)} is {place}; takt.config says so, which git should keep");
            return ExitCode.Ok;
        });
        var list = new Command("list", "All remotes");
        list.SetAction(parsed =>
        {
            var all = RemoteList.Read(Folder(parsed));
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["remotes"] = new JsonArray([.. all.Select(one => new JsonObject { ["name"] = one.Name, ["address"] = one.Address })]) });
            else if (all.Count == 0) Console.Error.WriteLine("no remotes; 'takt data remote add origin ADDRESS' names one");
            else DataText.Rows(["REMOTE", "ADDRESS"], all.Select(one => new[] { one.Name, one.Address }));
            return ExitCode.Ok;
        });
        var gone = new Argument<string>("name");
        var remove = new Command("remove", "Forget a remote; what it holds stays") { gone };
        remove.SetAction(parsed =>
        {
            RemoteList.Remove(Folder(parsed), parsed.GetRequiredValue(gone));
            return ExitCode.Ok;
        });
        var which = new Argument<string>("remote") { Description = "A remote's name, or an address" };
        var show = new Command("show", "The datasets that a remote has, with their branches and tags: takt data remote show origin") { which };
        show.SetAction(async (parsed, cancel) =>
        {
            var place = GetCommand.AddressOf(parsed, parsed.GetRequiredValue(which));
            var aside = Directory.CreateTempSubdirectory("takt-remote-").FullName;
            try
            {
                var refs = await GetCommand.Aside(aside, async app =>
                {
                    await using var from = app.OpenRemote(place, write: false);
                    return await from.Refs(null, cancel);
                });
                if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["refs"] = new JsonArray([.. refs.Select(one => new JsonObject { ["dataset"] = one.Dataset, ["ref"] = one.Name, ["tag"] = one.IsTag, ["commit"] = one.Target.ToString() })]) });
                else if (refs.Count == 0) Console.Error.WriteLine($"{place} has no dataset yet");
                else DataText.Rows(["DATASET", "REF", "KIND", "VERSION"], refs.Select(one => new[] { one.Dataset, one.Name, one.IsTag ? "tag" : "branch", DataText.Short(one.Target) }));
                return ExitCode.Ok;
            }
            finally
            {
                Directory.Delete(aside, recursive: true);
            }
        });
        command.Subcommands.Add(show);
        command.Subcommands.Add(add);
        command.Subcommands.Add(list);
        command.Subcommands.Add(remove);
        return command;
    }

    static Command Push()
    {
        var what = new Argument<string[]>("dataset") { Description = "NAME (all its branches and tags), NAME@REF, or a tracked path; all that is tracked or known when left out", Arity = ArgumentArity.ZeroOrMore };
        var (remote, force) = (RemoteOption(), new Option<bool>("--force") { Description = "Move the remote's branches and tags even where it has versions that are not here" });
        var command = new Command("push", "Send a remote what it lacks: takt data push") { what, remote, force };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = Tree(parsed);
            var setting = RemoteList.Find(Folder(tree), parsed.GetValue(remote)); // before a store is made
            await using var app = Open(parsed, tree);
            var (refs, files) = Wanted(app, tree, parsed, parsed.GetValue(what) ?? []);
            await using var to = app.OpenRemote(setting.Address, write: true);
            var report = await new Push(app.Database, app.Blobs).Run(to, refs, files, parsed.GetValue(force), Progress("sent"), cancel);
            Clear();
            foreach (var path in tree.Tracked().Where(path => path.Commit is not null && parsed.GetValue(what) is not { Length: > 0 } && app.Datasets.Find(path.Dataset!, path.Commit.Value) is not null && !Leads(app, path)))
                Terminal.Note($"takt: warning: '{path.Path}.takt' names {path.Dataset}@{DataText.Short(path.Commit!.Value)}, to which no branch or tag leads: it was not sent; 'takt data tag {path.Dataset}@{DataText.Short(path.Commit.Value)} NAME' and another push send it", Terminal.Tone.Warn);
            if (parsed.GetValue(CommandLine.Json))
                Terminal.Json(new JsonObject { ["remote"] = setting.Name, ["records"] = report.Records, ["bytes"] = report.Bytes, ["packs"] = report.Packs, ["versions"] = report.Versions, ["lost"] = Texts(report.Lost), ["mended"] = report.Mended, ["lacking"] = Texts(report.Lacking), ["moved"] = new JsonArray([.. report.Moved.Select(move => new JsonObject { ["dataset"] = move.Dataset, ["ref"] = move.Name, ["before"] = move.Before?.Target.ToString(), ["after"] = move.After.ToString() })]) });
            else
            {
                foreach (var move in report.Moved) Console.WriteLine($"{move.Dataset}@{move.Name}: {(move.Before is { } before ? DataText.Short(before.Target) : "new")} → {DataText.Short(move.After)}, {DataText.Count(move.Commits.Count, "version")}");
                foreach (var lost in report.Lost.Take(ShownFaults)) Terminal.Note($"takt: warning: {lost}", Terminal.Tone.Warn);
                if (report.Lost.Count > ShownFaults) Terminal.Note($"takt: warning: and {report.Lost.Count - ShownFaults:N0} more", Terminal.Tone.Warn);
                if (report.Lost.Count > 0 || report.Mended > 0) Console.WriteLine($"{setting.Name}: {DataText.Count(report.Mended, "record")} that it had lost sent again");
                Console.WriteLine(report.Records == 0 && report.Moved.Count == 0 ? $"{setting.Name}: nothing to send" : $"{setting.Name}: {DataText.Size(report.Bytes)} sent, {DataText.Count(report.Records, "record")}");
            }
            return report.Lacking.Count == 0 ? ExitCode.Ok : throw new TaktException(TaktError.NotFound, [.. report.Lacking.Take(ShownFaults), $"{setting.Name} is not whole, and what it lacks is not here either: push from where it is; 'takt data verify --remote {setting.Name}' lists all of it"]);
        });
        return command;
    }

    /// <summary>What a remote lacks of its versions.</summary>
    /// <param name="data">Or has damaged.</param>
    public static async Task<int> Verify(ParseResult parsed, TaktApp app, string named, bool data, CancellationToken cancel)
    {
        var setting = RemoteList.Find(app.Folder, named);
        IReadOnlyList<string> faults;
        await using (var remote = app.OpenRemote(setting.Address, write: false))
        using (ProgressLine.Show(parsed, $"verifying {setting.Name}", "records")) faults = await new RemoteCheck(app.Blobs, remote, data).Run(cancel);
        if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["remote"] = setting.Name, ["faults"] = Texts(faults) });
        else foreach (var fault in faults) Console.WriteLine(fault);
        Console.Error.WriteLine((faults.Count, data) switch
        {
            (0, true) => $"{setting.Name} has all of its versions, and every byte is right",
            (0, false) => $"{setting.Name} has all of its versions, by names and lengths; --data reads every byte",
            (_, true) => $"remove what is damaged there (on a server, 'takt data verify --repair'); then 'takt data push -r {named}' from where the content is sends it again",
            _ => $"'takt data push -r {named}' from where the content is sends it again",
        });
        return faults.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    const int ShownFaults = 5;

    static Command Fetch(bool pull)
    {
        var what = new Argument<string[]>("dataset") { Description = "NAME, NAME@REF or a tracked path; all that pointers name when left out", Arity = ArgumentArity.ZeroOrMore };
        var only = new Option<string?>("--only") { Description = "A path or glob within: only these files" };
        var all = new Option<bool>("--all") { Description = "Every version, not only the newest and those that pointers name" };
        var force = new Option<bool>("--force") { Description = "Throw away local changes that the store does not have" };
        var remote = RemoteOption();
        var command = pull ? new Command("pull", "Bring in what the pointers name and check it out: takt data pull") { what, remote, only, all, force }
            : new Command("fetch", "Bring versions of a remote into the store, without touching files: takt data fetch trips") { what, remote, only, all };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = Tree(parsed);
            var setting = RemoteList.Find(Folder(tree), parsed.GetValue(remote)); // before a store is made
            await using var app = Open(parsed, tree);
            var named = parsed.GetValue(what) ?? [];
            var tracked = new List<TrackedPath>();
            var references = new List<DatasetReference>();
            foreach (var one in named)
            {
                if (Pointer(tree, parsed, one) is { } path) tracked.Add(path);
                else references.Add(DatasetReference.Parse(one));
            }
            if (named.Length == 0) tracked.AddRange(tree.Tracked());
            var pointers = tracked.Where(path => path.Commit is not null).Select(path => (path.Dataset!, path.Commit!.Value)).Distinct().ToList();
            var single = tracked.Where(path => !path.IsFolder).Select(path => (path.Content.Digest, path.Path)).ToList();
            await using var from = app.OpenRemote(setting.Address, write: false);
            var fetch = new Fetch(app.Database, app.Blobs, app.Time);
            var datasets = references.Select(one => one.Dataset).Concat(pointers.Select(one => one.Item1)).Distinct().Select(name => (string?)name).ToList();
            if (named.Length == 0 && tracked.Count == 0) datasets = [null];
            var (moved, diverged, versions, records, bytes) = (new List<string>(), new List<string>(), 0, 0L, 0L);
            var (faults, worst) = (new List<string>(), TaktError.NotFound); // of some; the others come nonetheless
            foreach (var dataset in datasets) await Try(async () => Add(await fetch.Refs(from, setting.Name, dataset, pointers, cancel)));
            var wanted = new List<DatasetCommit>();
            foreach (var path in tracked.Where(path => path.Commit is not null))
            {
                if (app.Datasets.Find(path.Dataset!, path.Commit!.Value) is { } version) wanted.Add(version);
                else faults.Add($"{from.Place} has no version {path.Commit} of '{path.Dataset}', which '{path.Path}.takt' names; where it was made, 'takt data tag {path.Dataset}@{DataText.Short(path.Commit.Value)} NAME' and 'takt data push' bring it there");
            }
            foreach (var reference in references)
                wanted.Add(reference.Ref is null || (await from.Refs(reference.Dataset, cancel)).FirstOrDefault(one => one.Name == reference.Ref) is not { } there ? app.Datasets.Show($"{reference.Dataset}@{reference.Commit ?? reference.Ref}")
                    : app.Datasets.Find(there.Dataset, there.Target)!);
            if (datasets is [null]) wanted.AddRange((await from.Refs(null, cancel)).Where(one => one.Name == DatasetReference.Main).Select(one => app.Datasets.Find(one.Dataset, one.Target)!));
            // what is to be merged is needed whole
            wanted.AddRange(diverged.Select(one => app.Datasets.Show(Aside(one))));
            if (parsed.GetValue(all)) wanted.AddRange((datasets is [null] ? app.Datasets.List().Select(dataset => dataset.Name) : datasets.Select(name => name!)).SelectMany(app.Datasets.All));
            await Try(async () => Add(await fetch.Content(from, wanted.DistinctBy(commit => (commit.Dataset, commit.Id)).ToList(), parsed.GetValue(only), Progress("received"), cancel)));
            if (single.Count > 0) await Try(async () => Add(await fetch.Files(from, single, Progress("received"), cancel)));
            Clear();
            if (parsed.GetValue(CommandLine.Json))
                Terminal.Json(new JsonObject { ["remote"] = setting.Name, ["versions"] = versions, ["records"] = records, ["bytes"] = bytes, ["moved"] = Texts(moved), ["diverged"] = Texts(diverged) });
            else
            {
                Console.WriteLine(records == 0 && versions == 0 && moved.Count == 0 ? $"{setting.Name}: nothing new" : $"{setting.Name}: {DataText.Count(versions, "new version")}, {DataText.Size(bytes)} received");
                foreach (var one in moved) Console.WriteLine($"{one} is as at {setting.Name} now");
                foreach (var one in diverged) Console.WriteLine($"{one}: both sides have new versions; 'takt data merge {Aside(one)}' brings theirs in");
            }
            var paths = new VersionedPaths(tree, app.Database, app.Blobs, app.Time);
            foreach (var one in pull ? tracked.Where(path => path.Commit is null || app.Datasets.Find(path.Dataset!, path.Commit.Value) is not null) : [])
                await Try(async () =>
                {
                    var (written, removed) = await paths.Checkout(one, parsed.GetValue(only), parsed.GetValue(force), cancel);
                    Console.Error.WriteLine($"{one.Path}: {written:N0} written, {removed:N0} removed");
                });
            return faults.Count == 0 ? ExitCode.Ok : throw new TaktException(worst, faults);

            async Task Try(Func<Task> work)
            {
                try
                {
                    await work();
                }
                catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid or TaktError.Conflict)
                {
                    faults.AddRange(e.Faults);
                    if (faults.Count == e.Faults.Count) worst = e.Error;
                }
            }

            string Aside(string one) => one.Replace("@", $"@{setting.Name}.", StringComparison.Ordinal);

            void Add(FetchReport report)
            {
                moved.AddRange(report.Moved);
                diverged.AddRange(report.Diverged);
                versions += report.Versions;
                records += report.Records;
                bytes += report.Bytes;
            }
        });
        return command;
    }

    static (List<(string Dataset, string Name)> Refs, List<Digest> Files) Wanted(TaktApp app, WorkTree tree, ParseResult parsed, string[] named)
    {
        var (refs, files) = (new List<(string, string)>(), new List<Digest>());
        if (named.Length == 0)
        {
            foreach (var dataset in app.Datasets.List()) refs.AddRange(dataset.Refs.Select(one => (dataset.Name, one.Name)));
            files.AddRange(tree.Tracked().Where(path => !path.IsFolder).Select(path => path.Content.Digest));
        }
        foreach (var one in named)
        {
            var pointer = Pointer(tree, parsed, one);
            if (pointer is { IsFolder: false })
            {
                files.Add(pointer.Content.Digest);
                continue;
            }
            var reference = DatasetReference.Parse(pointer?.Dataset ?? one);
            if (reference.Commit is not null) throw TaktException.Invalid($"'{one}': branches and tags are pushed, with all versions that they grew from; 'takt data tag {one} NAME' names this one");
            var all = app.Datasets.List().FirstOrDefault(dataset => dataset.Name == reference.Dataset) ?? throw TaktException.NotFound($"no dataset '{reference.Dataset}'; there are: {string.Join(", ", app.Datasets.List().Select(dataset => dataset.Name))}");
            refs.AddRange(pointer is null && one.Contains('@') ? [(reference.Dataset, reference.Ref!)] : all.Refs.Select(known => (all.Name, known.Name)));
        }
        // what was put aside by a fetch is the remote's own
        var remotes = RemoteList.Read(app.Folder).Select(remote => remote.Name + ".").ToList();
        refs.RemoveAll(one => remotes.Any(prefix => one.Item2.StartsWith(prefix, StringComparison.Ordinal)));
        return (refs.Distinct().ToList(), files);
    }

    static bool Leads(TaktApp app, TrackedPath path) =>
        app.Datasets.List().Where(dataset => dataset.Name == path.Dataset).SelectMany(dataset => dataset.Refs).Any(one => app.Datasets.Log($"{path.Dataset}@{one.Name}").Any(commit => commit.Id == path.Commit));

    static TrackedPath? Pointer(WorkTree tree, ParseResult parsed, string path)
    {
        var at = Path.Combine(ProjectFolder.Start(parsed), path);
        return File.Exists(at.TrimEnd('/') + ".takt") || (path.EndsWith(".takt", StringComparison.Ordinal) && File.Exists(at)) ? tree.Named(at) : null;
    }

    static Option<string?> RemoteOption() => new("--remote", "-r") { Description = "A remote's name, or an address; else the only one, or origin" };

    static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(text => (JsonNode)text)]);

    static Action<string>? Progress(string word) => Console.IsErrorRedirected ? null : text => Console.Error.Write($"\r\e[K{word}: {text}");

    static void Clear()
    {
        if (!Console.IsErrorRedirected) Console.Error.Write("\r\e[K");
    }

    static WorkTree Tree(ParseResult parsed) => WorkTree.Find(ProjectFolder.Start(parsed));

    static TaktFolder Folder(ParseResult parsed) => Folder(Tree(parsed));

    static TaktFolder Folder(WorkTree tree) => new(tree.Root, tree.State);

    static TaktApp Open(ParseResult parsed, WorkTree tree) => ProjectFolder.Open(parsed, Folder(tree));
}
