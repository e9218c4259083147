using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Server;
using Takt.Storage;

namespace Takt.Cli;

/// <summary><c>takt data</c> on folders and files of the work tree: add, status, commit, branches, and the care of the store. Works in any git repository as well.</summary>
static class DataStoreCommands
{
    public static IEnumerable<Command> All() => [Add(), Commit(), Status(), Branch(tags: false), Branch(tags: true), Merge(), Verify(), Gc(), Retention(), Usage()];

    static Command Add()
    {
        var paths = new Argument<string[]>("path") { Description = "Folders and files", Arity = ArgumentArity.OneOrMore };
        var (message, name, branch) = (Message(), new Option<string?>("--name") { Description = "The dataset; else the path's last part" }, BranchOption());
        var command = new Command("add", "Put folders and files under version control: takt data add data/") { paths, message, name, branch };
        command.SetAction((parsed, cancel) => Store(parsed, parsed.GetRequiredValue(paths), parsed.GetValue(name), parsed.GetValue(branch)!, parsed.GetValue(message)!, cancel));
        return command;
    }

    static Command Commit()
    {
        var paths = new Argument<string[]>("path") { Description = "What is tracked; all when left out", Arity = ArgumentArity.ZeroOrMore };
        var (message, branch) = (Message(), BranchOption());
        var command = new Command("commit", "Make a new version of what has changed: takt data commit -m 'week 12'") { paths, message, branch };
        command.SetAction((parsed, cancel) =>
        {
            var tree = Tree(parsed);
            var named = parsed.GetValue(paths) is { Length: > 0 };
            var wanted = named ? parsed.GetValue(paths)! : tree.Tracked().Select(tracked => Path.Combine(tree.Root, tracked.Path)).ToArray();
            if (!named)
            {
                foreach (var absent in wanted.Where(path => !Path.Exists(path))) Terminal.Note($"{tree.Relative(absent)} is not checked out: left as it is");
                if (wanted.Length > 0 && (wanted = wanted.Where(Path.Exists).ToArray()).Length == 0) return Task.FromResult(ExitCode.Ok);
            }
            if (wanted.Length == 0) throw TaktException.NotFound(NothingTracked(tree));
            return Store(parsed, wanted, null, parsed.GetValue(branch)!, parsed.GetValue(message)!, cancel);
        });
        return command;
    }

    static async Task<int> Store(ParseResult parsed, string[] paths, string? name, string branch, string message, CancellationToken cancel)
    {
        var tree = Tree(parsed);
        var relative = paths.Select(path => tree.Relative(At(parsed, path))).ToList();
        await using var app = Open(parsed, tree);
        var versions = Paths(app, tree);
        foreach (var path in relative)
        {
            DatasetCommit? commit;
            bool isNew;
            long stored;
            using (var line = ProgressLine.Show(parsed, $"adding {DataText.OneLine(path)}"))
            {
                line.Measure(stop => tree.Size(path, stop));
                (commit, isNew, stored) = await versions.Add(path, name, branch, message, fault => Terminal.Note($"takt: warning: {fault}"), cancel);
            }
            if (parsed.GetValue(CommandLine.Json))
                Terminal.Json(new JsonObject { ["path"] = path, ["new"] = isNew, ["commit"] = commit?.Id.ToString(), ["dataset"] = commit?.Dataset, ["files"] = commit?.Files, ["bytes"] = commit?.Bytes, ["stored"] = stored });
            else if (!isNew) Console.WriteLine($"{path}: nothing new");
            else if (commit is null) Console.WriteLine($"{path}: stored; git keeps {path}.takt");
            else Console.WriteLine($"{path}: {commit.Dataset}@{DataText.Short(commit.Id)}, {DataText.Count(commit.Files, "file")}, {DataText.Size(commit.Bytes)}, {DataText.Size(stored)} stored; git keeps {path}.takt");
        }
        return ExitCode.Ok;
    }

    static Command Status()
    {
        var paths = new Argument<string[]>("path") { Description = "What is tracked; all when left out", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("status", "What differs from the pointers: takt data status") { paths };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = Tree(parsed);
            var tracked = parsed.GetValue(paths) is { Length: > 0 } some ? some.Select(path => tree.Named(At(parsed, path))).ToList() : tree.Tracked();
            TaktApp? app = null;
            var changes = new List<PathChange>();
            try
            {
                // the store is opened only when the last index is of another tree
                foreach (var one in tracked)
                    changes.AddRange(tree.Status(one, () => Paths(app ??= Open(parsed, tree), tree).Tree(one)));
            }
            finally
            {
                if (app is not null) await app.DisposeAsync();
            }
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(Changes(changes));
            else if (tracked.Count == 0) Console.Error.WriteLine(NothingTracked(tree));
            else if (changes.Count == 0) Console.WriteLine($"{tracked.Count} tracked, nothing changed");
            else foreach (var change in changes) Console.WriteLine($"{change.What,-8} {DataText.OneLine(change.Path)}");
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Branch(bool tags)
    {
        var word = tags ? "tag" : "branch";
        var dataset = new Argument<string>("version") { Description = "NAME for the list, or the version to name: NAME, NAME@v12, NAME@REF" };
        var name = new Argument<string?>(word) { Description = $"The new {word}", Arity = ArgumentArity.ZeroOrOne };
        var delete = new Option<bool>("--delete") { Description = $"Remove the {word}; the version stays in the reflog" };
        var move = new Option<bool>("--move") { Description = "A branch that is there goes to this version, such as back: takt data branch trips@v3 main --move" };
        var command = new Command(word, tags ? "Name a version for good: takt data tag trips@v12 release-1" : "List or make branches: takt data branch trips cleaned") { dataset, name, delete };
        if (!tags) command.Options.Add(move);
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = DataCommands.Open(parsed);
            var wanted = parsed.GetRequiredValue(dataset);
            if (parsed.GetValue(name) is not { } fresh)
            {
                var list = Branches(app).List(DatasetReference.Parse(wanted).Dataset, tags);
                if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { [tags ? "tags" : "branches"] = new JsonArray([.. list.Select(r => new JsonObject { ["name"] = r.Name, ["commit"] = r.Target.ToString() })]) });
                else if (list.Count == 0) Terminal.Note($"{DatasetReference.Parse(wanted).Dataset} has no {(tags ? "tags" : "branches")}");
                else DataText.Rows([word.ToUpperInvariant(), "VERSION", "MOVED"], list.Select(r => new[] { r.Name, DataText.Short(r.Target), DataText.Time(r.MovedAt) }));
            }
            else if (parsed.GetValue(delete))
            {
                await Branches(app).Delete(DatasetReference.Parse(wanted).Dataset, fresh, tags);
                Terminal.Note($"the {word} {fresh} is gone; its versions stay for 90 days");
            }
            else Console.WriteLine($"{fresh} is {wanted}, {DataText.Short((await Branches(app).Create(fresh, wanted, tags, !tags && parsed.GetValue(move))).Id)}");
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Merge()
    {
        var from = new Argument<string>("version") { Description = "NAME@BRANCH, what is to be brought in" };
        var into = new Option<string>("--into") { Description = "The branch that takes it in", DefaultValueFactory = _ => DatasetReference.Main };
        var command = new Command("merge", "Bring a branch's changes into another, path by path: takt data merge trips@cleaned") { from, into };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = DataCommands.Open(parsed);
            DatasetCommit merged;
            using (ProgressLine.Show(parsed, "merging")) merged = await Branches(app).Merge(parsed.GetRequiredValue(from), parsed.GetValue(into)!, fault => Terminal.Note($"takt: warning: {fault}"), cancel);
            Console.WriteLine($"{merged.Dataset}@{parsed.GetValue(into)} is {DataText.Short(merged.Id)}: {DataText.Count(merged.Files, "file")}, {DataText.Size(merged.Bytes)}");
            Terminal.Note($"'takt data checkout {merged.Dataset}@{parsed.GetValue(into)}' puts it into the work tree");
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Verify()
    {
        var quick = new Option<bool>("--quick") { Description = "Look at lists and lengths only; do not read the data" };
        var repair = new Option<bool>("--repair") { Description = "Take what is damaged out of the store first: adding the files again, or a remote, brings it back" };
        var remote = new Option<string?>("--remote", "-r") { Description = "Look at a remote instead, by its name or address: whether it has all that its branches and tags need, by names and lengths" };
        var data = new Option<bool>("--data") { Description = "With --remote: read every byte there as well, all of which comes over the line" };
        var command = new Command("verify", "Look for damage: every byte of the store, every version's files, every pointer") { quick, repair, remote, data };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = Tree(parsed);
            await using var app = DataCommands.Open(parsed);
            if (parsed.GetValue(remote) is { } named)
            {
                if (parsed.GetValue(quick) || parsed.GetValue(repair)) throw TaktException.Invalid("--remote goes without --quick and --repair: 'takt data push' sends again what a remote has lost, 'takt data verify --repair' is for the store that it is run on");
                return await RemoteCommands.Verify(parsed, app, named, parsed.GetValue(data), cancel);
            }
            if (parsed.GetValue(data)) throw TaktException.Invalid("--data goes with --remote; of the store here every byte is read, unless --quick is said");
            IReadOnlyList<string> repaired = [];
            List<string> faults;
            using (ProgressLine.Show(parsed, "verifying", "records"))
            {
                if (parsed.GetValue(repair)) repaired = await DatasetCheck.Repair(app.Blobs, cancel);
                faults = (await DatasetCheck.Of(app.Database, app.Blobs, !parsed.GetValue(quick), cancel)).Concat(await Paths(app, tree).Lost(cancel)).ToList();
            }
            foreach (var what in repaired) Console.Error.WriteLine(what);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["repaired"] = new JsonArray([.. repaired.Select(what => (JsonNode)what)]), ["faults"] = new JsonArray([.. faults.Select(fault => (JsonNode)fault)]) });
            else foreach (var fault in faults) Console.WriteLine(fault);
            if (faults.Count == 0) Console.Error.WriteLine("no damage");
            return faults.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    static Command Gc()
    {
        var apply = new Option<bool>("--apply") { Description = "Do it; else only the plan is shown" };
        var grace = new Option<double>("--grace") { Description = "Days that something must have been unreferenced before it goes into quarantine", DefaultValueFactory = _ => 14 };
        var quarantine = new Option<double>("--quarantine") { Description = "Days in quarantine, still readable, before it is removed", DefaultValueFactory = _ => 7 };
        var command = new Command("gc", "Find what nothing refers to, and with --apply remove it in two steps: takt data gc") { apply, grace, quarantine };
        command.SetAction(async (parsed, cancel) =>
        {
            var tree = Tree(parsed);
            await using var app = DataCommands.Open(parsed);
            var gc = new GarbageCollection(app.Database, app.Blobs, app.Time);
            var (kept, waits) = (TimeSpan.FromDays(parsed.GetValue(grace)), TimeSpan.FromDays(parsed.GetValue(quarantine)));
            var plan = parsed.GetValue(apply) ? await gc.Collect(kept, waits, tree.Needed(), cancel) : await gc.Plan(kept, waits, tree.Needed(), cancel);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["applied"] = parsed.GetValue(apply), ["steps"] = new JsonArray([.. plan.Steps.Select(step => new JsonObject { ["do"] = step.Do.ToString(), ["what"] = step.Name, ["bytes"] = step.Bytes })]) });
            else
            {
                if (plan.Steps.Count > 0) DataText.Rows(["STEP", "WHAT", "SIZE"], plan.Steps.Select(step => new[] { step.Do.ToString(), step.Name, DataText.Size(step.Bytes) }));
                Console.Error.WriteLine($"{DataText.Size(plan.Live)} in use; {(plan.Steps.Count == 0 ? "nothing to do" : parsed.GetValue(apply) ? "done" : "'--apply' does this")}");
            }
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Retention()
    {
        var name = new Argument<string?>("name") { Description = "The dataset; none: all rules", Arity = ArgumentArity.ZeroOrOne };
        var last = new Option<int?>("--keep-last") { Description = "So many versions of each branch" };
        var age = new Option<string?>("--keep-for") { Description = "Versions younger than this: 30d, 12h" };
        var off = new Option<bool>("--off") { Description = "Remove the rule: all versions are kept" };
        var command = new Command("retention", "Which versions 'takt data gc' keeps: takt data retention trips --keep-last 10 --keep-for 30d") { name, last, age, off };
        command.SetAction(async (parsed, cancel) =>
        {
            var (dataset, keepLast, keepFor) = (parsed.GetValue(name), parsed.GetValue(last), parsed.GetValue(age));
            if ((keepLast is not null || keepFor is not null || parsed.GetValue(off)) && dataset is null) throw TaktException.Invalid("which dataset? takt data retention NAME --keep-last 10");
            if ((keepLast is not null || keepFor is not null) && parsed.GetValue(off)) throw TaktException.Invalid("--off removes the rule: without --keep-last and --keep-for");
            if (keepFor is not null && !Takt.Pipelines.Quantity.TryDuration(keepFor, out _)) throw TaktException.Invalid($"--keep-for is '{keepFor}', not a duration such as 12h or 30d (366d at most)");
            await using var app = DataCommands.Open(parsed);
            var retention = app.DatasetRetention;
            if (parsed.GetValue(off)) await retention.Remove(dataset!);
            else if (keepLast is not null || keepFor is not null) await retention.Set(new(dataset!, keepLast, keepFor is not null && Takt.Pipelines.Quantity.TryDuration(keepFor, out var kept) ? kept : null));
            var rules = retention.List().Where(rule => dataset is null || rule.Dataset == dataset).ToList();
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["rules"] = new JsonArray([.. rules.Select(rule => new JsonObject { ["dataset"] = rule.Dataset, ["keepLast"] = rule.KeepLast, ["keepForSeconds"] = rule.KeepFor?.TotalSeconds, ["project"] = rule.IsOfProject })]) });
            else if (rules.Count == 0) Console.Error.WriteLine($"{(dataset is null ? "no dataset has a rule" : $"{dataset} has no rule")}: every version that a branch or tag leads to is kept");
            else DataText.Rows(["DATASET", "KEEP LAST", "KEEP FOR", "SET"], rules.Select(rule => new[] { rule.Dataset, rule.KeepLast?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "-", rule.KeepFor is { } so ? DataText.Took(so) : "-", rule.IsOfProject ? "takt.yaml" : "by hand" }));
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Usage()
    {
        var command = new Command("du", "How much room versions take: of the newest, and of all in the store");
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = DataCommands.Open(parsed);
            var list = app.Datasets.List();
            var (packs, whole) = await DatasetCheck.Usage(app.Blobs, cancel);
            if (parsed.GetValue(CommandLine.Json))
                Terminal.Json(new JsonObject { ["packs"] = packs, ["whole"] = whole, ["datasets"] = new JsonArray([.. list.Select(d => new JsonObject { ["name"] = d.Name, ["versions"] = d.Commits, ["files"] = d.Tip.Files, ["bytes"] = d.Tip.Bytes })]) });
            else
            {
                DataText.Rows(["DATASET", "VERSIONS", "FILES", "NEWEST"], list.Select(d => new[] { d.Name, $"{d.Commits}", $"{d.Tip.Files:N0}", DataText.Size(d.Tip.Bytes) }));
                Console.WriteLine($"store: {DataText.Size(packs)} in packs, {DataText.Size(whole)} in whole files");
            }
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>Brings the tracked paths to what their pointers say, as they are after <c>git checkout</c>.</summary>
    public static async Task<int> Checkout(ParseResult parsed, string? path, string? only, bool force, CancellationToken cancel)
    {
        var tree = Tree(parsed);
        var tracked = path is null ? tree.Tracked() : [tree.Named(At(parsed, path))];
        if (tracked.Count == 0)
        {
            Terminal.Note(NothingTracked(tree));
            return ExitCode.Ok;
        }
        await using var app = Open(parsed, tree);
        var faults = new List<string>();
        foreach (var one in tracked)
        {
            try
            {
                long written, removed;
                using (ProgressLine.Show(parsed, $"checking out {DataText.OneLine(one.Path)}")) (written, removed) = await Paths(app, tree).Checkout(one, only, force, cancel);
                Console.Error.WriteLine($"{one.Path}: {written:N0} written, {removed:N0} removed");
            }
            catch (TaktException e) when (tracked.Count > 1)
            {
                faults.AddRange(e.Faults); // the others are checked out nonetheless
            }
        }
        return faults.Count == 0 ? ExitCode.Ok : throw new TaktException(TaktError.Conflict, faults);
    }

    static Option<string> Message() => new("--message", "-m") { Description = "Why, for the log", DefaultValueFactory = _ => "" };

    static Option<string> BranchOption() => new("--branch") { Description = "The branch that gets the version", DefaultValueFactory = _ => DatasetReference.Main };

    static JsonObject Changes(List<PathChange> changes) => new() { ["changes"] = new JsonArray([.. changes.Select(change => new JsonObject { ["what"] = change.What, ["path"] = change.Path })]) };

    static string NothingTracked(WorkTree tree) => $"nothing below '{tree.Root}' is tracked; 'takt data add PATH' begins";

    static string At(ParseResult parsed, string path) => Path.Combine(ProjectFolder.Start(parsed), path);

    static WorkTree Tree(ParseResult parsed) => WorkTree.Find(ProjectFolder.Start(parsed));

    static TaktApp Open(ParseResult parsed, WorkTree tree) => ProjectFolder.Open(parsed, new TaktFolder(tree.Root, tree.State));

    internal static VersionedPaths Paths(TaktApp app, WorkTree tree) => new(tree, app.Database, app.Blobs, app.Time);

    static DatasetBranches Branches(TaktApp app) => new(app.Database, app.Blobs, app.Datasets, app.Time);
}
