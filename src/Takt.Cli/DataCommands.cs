using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Pipelines;
using Takt.Server;
using Takt.Server.Api;

namespace Takt.Cli;

/// <summary><c>takt data</c>: datasets of the project in the work tree, in-process.</summary>
static class DataCommands
{
    public static Command Create()
    {
        var data = Tables();
        foreach (var command in DataStoreCommands.All().Concat(RemoteCommands.All())) data.Subcommands.Add(command);
        return data;
    }

    static Command Tables() => new("data", "Versions of data: add, collect, look at, check out, query")
    {
        List(), Log(), Show(), Collect(), Checkout(), Profile(), TableCommands.Diff(), TableCommands.Query(), CheckCommands.Check(), CheckCommands.Checks(), CheckCommands.Suggest(), Uses(),
    };

    static Command Uses()
    {
        var version = new Argument<string>("version") { Description = "NAME, NAME@REF or NAME@sha256:DIGITS; or source:TEXT for everything that came from a source" };
        var command = ApiCommand.Of("uses", "Which models, runs and endpoints saw this version: takt data uses flights@main", p => $"/api/v1/lineage/uses?data={Uri.EscapeDataString(p.GetRequiredValue(version))}", answer =>
        {
            Console.WriteLine(answer.Text("data"));
            foreach (var (title, member) in ((string, string)[])[("models", "models"), ("logged models", "loggedModels"), ("endpoints", "endpoints"), ("revisions", "revisions"), ("runs", "runs")])
            {
                var list = answer.List(member).ToList();
                Console.WriteLine($"\n{title}: {(list.Count == 0 ? "none" : list.Count)}");
                foreach (var node in list) Console.WriteLine("  " + LineageText.Line(node)[(node.Text("kind").Length + 1)..]);
            }
        }, null, version);
        command.Options.Add(CommandLine.Workspace);
        return command;
    }

    static Command List()
    {
        var command = new Command("list", "All datasets");
        command.SetAction(async (parsed, cancel) =>
        {
            if (!HasData(parsed))
            {
                if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["datasets"] = new JsonArray() });
                else Terminal.Note(NoData(parsed));
                return ExitCode.Ok;
            }
            await using var app = Open(parsed);
            var list = app.Datasets.List();
            if (Json(parsed, new DatasetList(list.Select(DatasetView.Of).ToList()), DatasetsJson.Default.DatasetList)) return ExitCode.Ok;
            if (list.Count == 0) Console.Error.WriteLine("no datasets yet; 'takt run' or 'takt data collect NAME FILES' makes one");
            else DataText.Rows(["NAME", "VERSION", "COMMIT", "FILES", "ROWS", "SIZE", "COMMITS", "COLLECTED"],
                list.Select(d => new[] { d.Name, $"v{app.Datasets.Numbers(d.Name)[d.Tip.Id]}", DataText.Short(d.Tip.Id), $"{d.Tip.Files:N0}", DataText.Count(d.Tip.Rows), DataText.Size(d.Tip.Bytes), $"{d.Commits}", DataText.Time(d.Tip.Time) }));
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Log()
    {
        var reference = Reference();
        var command = new Command("log", "The versions of a dataset, newest first") { reference };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = Open(parsed);
            var log = app.Datasets.Log(parsed.GetRequiredValue(reference));
            if (Json(parsed, new CommitList(log.Select(CommitView.Of).ToList()), DatasetsJson.Default.CommitList)) return ExitCode.Ok;
            var numbers = app.Datasets.Numbers(log[0].Dataset);
            DataText.Rows(["VERSION", "COMMIT", "COLLECTED", "FILES", "ROWS", "SIZE", "MESSAGE"],
                log.Select(c => new[] { $"v{numbers[c.Id]}", DataText.Short(c.Id), DataText.Time(c.Time), $"{c.Files:N0}", DataText.Count(c.Rows), DataText.Size(c.Bytes), c.Dropped is null ? c.Message : $"(dropped) {c.Message}" }));
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Show()
    {
        var reference = Reference();
        var command = new Command("show", "One version: where it came from and its files") { reference };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = Open(parsed);
            var commit = app.Datasets.Show(parsed.GetRequiredValue(reference));
            if (Json(parsed, await VersionView.Of(app.Datasets, commit, cancel), DatasetsJson.Default.VersionView)) return ExitCode.Ok;
            Console.WriteLine($"dataset   {commit.Dataset}\ncommit    {commit.Id}\ntree      {commit.Tree}");
            foreach (var parent in commit.Parents) Console.WriteLine($"parent    {parent}");
            Console.WriteLine($"author    {commit.Author}\ntime      {DataText.Time(commit.Time)}\nmessage   {commit.Message}\nsource    {commit.Source}");
            Console.WriteLine($"rows      {DataText.Count(commit.Rows)}\nsize      {DataText.Size(commit.Bytes)} in {DataText.Count(commit.Files, "file")}\n");
            DataText.Rows(["FILE", "SIZE", "SHA-256"], (await app.Datasets.Tree(commit, cancel)).Files.Select(f => new[] { f.Path, DataText.Size(f.Size), f.Digest.Hex[..12] }));
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Collect()
    {
        var name = new Argument<string>("name") { Description = "The dataset; made when it does not exist" };
        var sources = new Argument<string[]>("source") { Description = "Files, folders or globs; none: as its entry under data: in takt.yaml says", Arity = ArgumentArity.ZeroOrMore };
        var message = new Option<string>("--message", "-m") { Description = "Why, for the log", DefaultValueFactory = _ => "" };
        var path = new Option<string?>("--path") { Description = "Check the version out here; a folder ends with / (default: as takt.yaml says)" };
        var from = new Option<string?>("--from") { Description = "Backfill: only from this time or value of the cursor on" };
        var to = new Option<string?>("--to") { Description = "Backfill: only what is before this time or value of the cursor" };
        var command = new Command("collect", "Bring what is new into a version: takt data collect flights 'incoming/*.parquet'") { name, sources, message, path, from, to };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = Open(parsed, begins: true);
            var (dataset, named) = (parsed.GetRequiredValue(name), parsed.GetValue(sources) ?? []);
            var (request, place) = named.Length > 0 ? (new CollectRequest(dataset, named, app.Folder.Root), null) : app.Collect.Of(Project.Load(app.Folder, app.Steps), dataset);
            Committed collected;
            using (ProgressLine.Show(parsed, "collecting"))
                collected = await app.Collector.Collect(request with { Message = parsed.GetValue(message)!, Range = (parsed.GetValue(from), parsed.GetValue(to)) }, cancel);
            foreach (var warned in collected.Report?.Results.Where(r => r.Status == CheckStatus.Warned) ?? []) Terminal.Note($"takt: warning: {warned}");
            var commit = collected.Commit;
            if ((parsed.GetValue(path) ?? place) is { } target)
                using (ProgressLine.Show(parsed, "checking out")) await app.Datasets.Checkout(commit, Path.Combine(app.Folder.Root, target), cancel);
            var view = new CollectedView(commit.Dataset, CommitView.Of(commit), collected.IsNew, collected.Added, collected.Changed);
            if (Json(parsed, view, DatasetsJson.Default.CollectedView)) return ExitCode.Ok;
            Console.WriteLine(collected.IsNew
                ? $"{commit.Dataset}@{DataText.Short(commit.Id)}: {collected.Added:N0} new and {DataText.Count(collected.Changed, "changed file")}, {commit.Files:N0} in all{(commit.Rows is { } rows ? $", {DataText.Count(rows, "row")}" : "")}"
                : $"{commit.Dataset}@{DataText.Short(commit.Id)}: nothing new");
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Checkout()
    {
        var reference = new Argument<string?>("version") { Description = "NAME, NAME@v12, NAME@REF, NAME@sha256:…, a tracked path or its pointer; all pointers when left out", Arity = ArgumentArity.ZeroOrOne };
        var path = new Argument<string?>("path") { Description = "Where to; a folder ends with /. None: where the dataset is tracked", Arity = ArgumentArity.ZeroOrOne };
        var only = new Option<string?>("--only") { Description = "A path or glob within the tracked folder" };
        var force = new Option<bool>("--force") { Description = "Throw away what the store does not have" };
        var command = new Command("checkout", "Put a version's files into the work tree: takt data checkout") { reference, path, only, force };
        command.SetAction(async (parsed, cancel) =>
        {
            var (given, target, start) = (parsed.GetValue(reference), parsed.GetValue(path), ProjectFolder.Start(parsed));
            var at = Path.Combine(start, given ?? "");
            var step = given?.EndsWith(".takt", StringComparison.Ordinal) == true && File.Exists(at) && !File.ReadLines(at).First().StartsWith("version ", StringComparison.Ordinal) && Path.HasExtension(at[..^5]);
            if (target is null && !step && (given is null || Path.Exists(at) || File.Exists(at.TrimEnd('/') + ".takt"))) return await DataStoreCommands.Checkout(parsed, given, parsed.GetValue(only), parsed.GetValue(force), cancel);
            if (parsed.GetValue(only) is not null) throw TaktException.Invalid("--only goes with a tracked path: takt data checkout data/ --only 'images/**'");
            await using var app = Open(parsed, begins: true);
            var (wanted, tree) = (given!, WorkTree.Find(start));
            var place = target is null ? null : Path.Combine(start, target);
            if (wanted.EndsWith(".takt", StringComparison.Ordinal))
            {
                var pointer = DatasetPointer.Read(at);
                place ??= pointer.Checkout(at);
                wanted = $"{pointer.Dataset}@{pointer.Commit}";
            }
            var commit = app.Datasets.Show(wanted);
            if (place is null)
            {
                var places = tree.Tracked().Where(tracked => tracked.Dataset == commit.Dataset).Select(tracked => tracked.Path + "/").ToList();
                place = places.Count == 1 ? Path.Combine(tree.Root, places[0]) : throw TaktException.Invalid($"say where to: takt data checkout {wanted} {(places.Count == 0 ? $"{commit.Dataset}/" : string.Join(" or ", places))}");
            }
            using (ProgressLine.Show(parsed, "checking out"))
            {
                if (place.EndsWith('/') && tree.Holds(place)) await DataStoreCommands.Paths(app, tree).Checkout(TrackedPath.Folder(tree.Relative(place), commit), commit, parsed.GetValue(force), cancel);
                else await app.Datasets.Checkout(commit, place, cancel);
            }
            Console.Error.WriteLine($"{(tree.Holds(place) ? Path.GetRelativePath(tree.Root, place) : place)} holds {commit.Dataset}@{DataText.Short(commit.Id)}: {DataText.Count(commit.Files, "file")}, {DataText.Size(commit.Bytes)}");
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Profile()
    {
        var what = new Argument<string>("what") { Description = "A dataset (NAME, NAME@REF), or a file or folder of tables" };
        var command = new Command("profile", "Statistics of every column") { what };
        command.SetAction(async (parsed, cancel) =>
        {
            var wanted = parsed.GetRequiredValue(what);
            var profile = await ProfileOf(parsed, wanted, cancel);
            if (Json(parsed, profile, ProfileJson.Default.TableProfile)) return ExitCode.Ok;
            if (profile.Kinds is { } kinds) Terminal.Note($"takt: warning: {TableKind.Told(kinds)}", Terminal.Tone.Warn);
            Console.WriteLine(DataText.Count(profile.Rows, "row"));
            DataText.Rows(["COLUMN", "TYPE", "MISSING", "DISTINCT", "MIN", "MEDIAN", "MAX", "MEAN", "STD", "MOST FREQUENT"], profile.Columns.Select(DataText.Column));
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>Of a file or folder of tables; of a version the profile that is kept with it, else one made now.</summary>
    internal static async Task<TableProfile> ProfileOf(ParseResult parsed, string reference, CancellationToken cancel)
    {
        if (await TablesAt(parsed, reference) is { } path) return Profiler.Profile([path], cancel);
        await using var app = Open(parsed);
        var commit = app.Datasets.Show(reference);
        if (await app.Datasets.Profile(commit, cancel) is { } kept) return kept;
        var folder = app.Datasets.Scratch();
        try
        {
            await app.Datasets.Export(commit, folder, DuckDb.CanRead, cancel);
            return Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Any() ? Profiler.Profile([folder], cancel) : throw TaktException.Invalid($"'{reference}' holds no tables");
        }
        catch (TaktException e)
        {
            throw e.Without(folder + "/");
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    static Argument<string> Reference() => new("dataset") { Description = "NAME, NAME@REF or NAME@sha256:…" };

    /// <summary>
    /// The file or folder of tables that is meant; null: a dataset is. A dataset is often tracked in a folder of its name: the name alone is the dataset, <c>NAME/</c> the folder.
    /// </summary>
    internal static async Task<string?> TablesAt(ParseResult parsed, string wanted)
    {
        var path = Path.Combine(ProjectFolder.Start(parsed), wanted);
        if (!Path.Exists(path)) return null;
        if (!HasData(parsed)) return path;
        await using var app = Open(parsed);
        return app.Datasets.List().Any(dataset => dataset.Name == wanted) ? null : path;
    }

    /// <param name="begins">It may be the first command here; else a look into a wrong folder must not make a store there.</param>
    /// <exception cref="TaktException">NotFound: there is no data here.</exception>
    internal static TaktApp Open(ParseResult parsed, bool begins = false)
    {
        if (!begins && !HasData(parsed)) throw TaktException.NotFound(NoData(parsed));
        var tree = WorkTree.Find(ProjectFolder.Start(parsed));
        return ProjectFolder.Open(parsed, new TaktFolder(tree.Root, tree.State));
    }

    /// <summary>Whether there is a store, or the pointers of one.</summary>
    static bool HasData(ParseResult parsed) => WorkTree.Find(ProjectFolder.Start(parsed)) is var tree
        && (Directory.Exists(tree.State) || ProjectFolder.Options(parsed, ProjectFolder.At(parsed)).Database.Value is not null || tree.Tracked().Count > 0);

    static string NoData(ParseResult parsed) => $"no data in {ProjectFolder.Start(parsed)} or above it; `takt data add FOLDER` or `takt run` brings some in";

    internal static bool Json<T>(ParseResult parsed, T value, JsonTypeInfo<T> type)
    {
        if (!parsed.GetValue(CommandLine.Json)) return false;
        Console.WriteLine(JsonSerializer.Serialize(value, type));
        return true;
    }
}
