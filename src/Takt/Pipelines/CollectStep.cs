using System.Globalization;
using Cronos;
using Takt.Data;

namespace Takt.Pipelines;

/// <summary>
/// <c>collect</c>: brings what is new at <c>source</c> into a dataset, checks <c>expect</c> on the whole new version, and checks the version
/// out at <c>path</c>. It is what an entry of <c>data:</c> with a <c>source</c> becomes.
/// </summary>
/// <remarks>Files are looked at in every run. A source elsewhere is asked in every run too, or, with <c>refresh</c>, once after each of its times; a server does that by itself (<c>DataRefresh</c>).</remarks>
public sealed class CollectStep(Collector collector, Datasets datasets, DatasetRetention retention, TimeProvider time) : IStepKind
{
    public string Name => "collect";

    public StepDeclaration Declare(StepArguments with)
    {
        var arguments = Read(with, null);
        List<string> inputs = arguments.IsFiles ? [.. arguments.Request.Sources] : [];
        if (arguments.Request.Settings.GetValueOrDefault("query") is { } query && query.EndsWith(".sql", StringComparison.OrdinalIgnoreCase)) inputs.Add(query);
        if (ExpectationReader.FileOf(with) is { } file) inputs.Add(file);
        return new StepDeclaration(inputs, [arguments.Path, DatasetPointer.PathFor(arguments.Path)]);
    }

    /// <summary>The tree that will come out: the sources alone don't tell, since files that have left the source stay in the dataset. Of a source elsewhere: when it is due.</summary>
    public async ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var arguments = Read(context.With, context.Folder);
        var request = arguments.Request;
        var facts = new Dictionary<string, string> { ["dataset"] = request.Dataset };
        if (!arguments.IsFiles) facts["asked"] = Due(arguments.Refresh, time.GetUtcNow()).ToString("O", CultureInfo.InvariantCulture);
        else if (request.Unpack is null && request.Mask.Count == 0) facts["tree"] = (await datasets.CollectedTree(request.Dataset, context.Folder, request.Sources, cancel)).ToString();
        return facts;
    }

    /// <summary>Somebody else may have collected since, or gone back to an earlier version.</summary>
    public ValueTask<bool> StillHolds(StepContext context, IReadOnlyDictionary<string, string> tags, CancellationToken cancel) =>
        new(datasets.Tip(Read(context.With, null).Request.Dataset)?.Reference == tags.GetValueOrDefault("takt.dataset"));

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var arguments = Read(context.With, context.Folder);
        var collected = await collector.Collect(arguments.Request with { Expect = ExpectationReader.Read(context.With, context.Folder) }, cancel);
        await retention.Declare(arguments.Request.Dataset, arguments.Keep);
        await datasets.Checkout(collected.Commit, context.PathOf(arguments.Path), cancel);
        var commit = collected.Commit;
        foreach (var result in collected.Report?.Results.Where(r => r.Status == CheckStatus.Warned) ?? []) context.Log.WriteLine($"warning: {result}");
        var summary = collected.IsNew
            ? $"{commit.Dataset}: {collected.Added} new, {collected.Changed} changed files; now {commit.Files:N0} {(commit.Files == 1 ? "file" : "files")}, {commit.Rows?.ToString("N0") ?? "no"} rows"
            : $"{commit.Dataset}: nothing new; {commit.Files:N0} {(commit.Files == 1 ? "file" : "files")}, {commit.Rows?.ToString("N0") ?? "no"} rows";
        context.Log.WriteLine($"{commit.Reference}  {(collected.IsNew ? "new version" : "as before")}");
        return new StepOutcome(summary,
            new Dictionary<string, double> { ["files"] = commit.Files, ["bytes"] = commit.Bytes, ["rows"] = commit.Rows ?? 0 },
            new Dictionary<string, string> { ["takt.dataset"] = commit.Reference });
    }

    /// <summary>What the project file says of a dataset, to be collected by hand; and where it is checked out.</summary>
    /// <exception cref="TaktException">NotFound: no such entry.</exception>
    public (CollectRequest Request, string Path) Of(Project project, string dataset)
    {
        var stage = project.Stages.FirstOrDefault(stage => stage.Kind == this && (stage.Name == $"data.{dataset}" || Read(stage.With!, null).Request.Dataset == dataset));
        if (stage is null) throw TaktException.NotFound($"{TaktFolder.ProjectFileName} has no entry '{dataset}' with a source under data:; name its files: takt data collect {dataset} FILES");
        var arguments = Read(stage.With!, project.Folder.Root);
        return (arguments.Request with { Expect = ExpectationReader.Read(stage.With!, project.Folder.Root) }, arguments.Path);
    }

    /// <summary>The entries with a <c>refresh</c>: their stage, schedule and dataset.</summary>
    public IEnumerable<(string Stage, string Schedule, string Dataset)> Scheduled(Project project)
    {
        foreach (var stage in project.Stages)
            if (stage.Kind == this && Read(stage.With!, null) is { Refresh: { } schedule } arguments) yield return (stage.Name, schedule, arguments.Request.Dataset);
    }

    /// <summary>The next time of a schedule after a moment; null: never.</summary>
    public static DateTimeOffset? Next(string schedule, DateTimeOffset now) => CronExpression.Parse(schedule).GetNextOccurrence(now, TimeZoneInfo.Utc);

    /// <summary>The newest time of a schedule that has passed: a stage's key changes with it, and with nothing else. Without a schedule, now.</summary>
    public static DateTimeOffset Due(string? refresh, DateTimeOffset now)
    {
        if (refresh is null || !CronExpression.TryParse(refresh, out var cron)) return now;
        for (var back = TimeSpan.FromHours(1); back < TimeSpan.FromDays(800); back *= 4)
            if (cron.GetOccurrences(now - back, now, TimeZoneInfo.Utc, fromInclusive: true, toInclusive: true).Select(o => (DateTimeOffset?)o).LastOrDefault() is { } last) return last;
        return DateTimeOffset.UnixEpoch;
    }

    Arguments Read(StepArguments with, string? folder)
    {
        var sources = with.Texts("source");
        if (sources.Count == 0) with.Fault("source", "source is missing: a file, a folder, a glob such as incoming/*.csv, or the address of another source (docs/collect.md)");
        var path = with.Text("path");
        var last = System.IO.Path.GetFileNameWithoutExtension(System.IO.Path.TrimEndingDirectorySeparator(path));
        var dataset = with.TextOrNull("dataset") ?? (with.Name is "with" or "" ? last : with.Name); // under data: its entry's name
        var source = collector.Of(sources.FirstOrDefault() ?? "");
        if (sources.Count > 1 && sources.Any(address => collector.Of(address).Prefixes.Count > 0)) with.Fault("source", "only files may be several; make an entry of its own for each other source");
        if (with.IsSection("expect")) _ = ExpectationReader.Read(with, null);
        else _ = with.TextOrNull("expect");
        var refresh = with.TextOrNull("refresh");
        if (refresh is not null && !CronExpression.TryParse(refresh, out _)) with.Fault("refresh", $"'{refresh}' is no schedule; write five fields of cron, such as \"0 3 * * *\" for three o'clock every night (UTC)");
        if (refresh is not null && source.Prefixes.Count == 0) with.Fault("refresh", "refresh is for sources elsewhere; files are looked at in every run");
        var isFile = !path.EndsWith('/') && source.Prefixes.Count > 0;
        if (isFile && source.GivesRows && System.IO.Path.GetExtension(path) is not (".parquet" or ".csv" or ".jsonl")) with.Fault("path", $"'{path}' must end with / for a folder of batches, or with .parquet, .csv or .jsonl for one file");
        var request = new CollectRequest(dataset, sources, folder ?? "")
        {
            SingleFile = isFile ? System.IO.Path.GetFileName(path) : null,
            Settings = Settings(with, source),
            Key = Rows(with, source, "key") ? with.Texts("key") : [],
            Late = with.Has("late") ? with.Duration("late", TimeSpan.FromHours(1)) : TimeSpan.Zero,
            Schema = !with.Has("schema") ? null : with.Choice("schema", "any", "add", "same") switch { "add" => SchemaPolicy.Add, "same" => SchemaPolicy.Same, _ => SchemaPolicy.Any },
            Mask = Mask(with),
            MaskKey = SecretName(with.TextOrNull("mask-key")),
            Unpack = with.TextOrNull("unpack") is { } unpack && unpack != "false" ? unpack : null,
            MaxBytes = Bytes(with),
        };
        if (request.Key.Count == 0 && source.Prefixes.Contains("predictions:")) request = request with { Key = ["id"] };
        if (request.Mask.Values.Contains("hash") && request.MaskKey is null) with.Fault("mask", "hash needs mask-key: the name of a secret, so that nobody can try values until the hash fits");
        return new Arguments(request, path, refresh, source.Prefixes.Count == 0, Keep(with, dataset));
    }

    IReadOnlyDictionary<string, string> Settings(StepArguments with, ISource source)
    {
        var settings = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in collector.Sources.SelectMany(s => s.Settings).Distinct())
        {
            if (with.TextOrNull(name) is not { } value) continue;
            if (source.Settings.Contains(name)) settings[name] = value;
            else with.Fault(name, $"{name} means nothing for {(source.Prefixes.Count == 0 ? "files" : source.Prefixes[0])}; it is for {string.Join(", ", collector.Sources.Where(s => s.Settings.Contains(name)).Select(s => s.Prefixes[0]))}");
        }
        if (source.Settings.Contains("table") && settings.ContainsKey("table") == settings.ContainsKey("query")) with.Fault("query", "a database needs either query: (a file of SQL, or a SELECT) or table:");
        if (settings.GetValueOrDefault("labels") is { } labels && labels is not ("required" or "any")) with.Fault("labels", $"labels is '{labels}', not required or any");
        return settings;
    }

    static RetentionRule? Keep(StepArguments with, string dataset)
    {
        if (with.Section("keep") is not { } keep) return null;
        var last = keep.Has("last") ? (int?)keep.Integer("last", 1) : null;
        if (last < 1) keep.Fault("last", $"last is {last}: the least is 1");
        if (last is null && !keep.Has("for")) with.Fault("keep", "keep says how many versions stay (last: 10), for how long (for: 30d), or both");
        return new RetentionRule(dataset, last, keep.Has("for") ? keep.Duration("for", TimeSpan.FromDays(30)) : null) { IsOfProject = true };
    }

    static bool Rows(StepArguments with, ISource source, string key)
    {
        if (!with.Has(key)) return false;
        if (!source.GivesRows) with.Fault(key, $"{key} is for sources of rows (pg:, sqlite:, predictions:); a file is known by its path");
        return true;
    }

    static IReadOnlyDictionary<string, string> Mask(StepArguments with)
    {
        var mask = with.Map("mask");
        foreach (var (column, how) in mask)
            if (how is not ("drop" or "hash") && !(how.StartsWith("truncate ", StringComparison.Ordinal) && int.TryParse(how["truncate ".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out _)))
                with.Fault("mask", $"'{how}' is no mask for {column}; there are drop, hash and \"truncate N\" (characters kept)");
        return mask;
    }

    // PII_KEY and ${secrets.PII_KEY} are the same secret
    static string? SecretName(string? text) => text is not null && text.StartsWith("${secrets.", StringComparison.Ordinal) && text.EndsWith('}') ? text["${secrets.".Length..^1] : text;

    static long Bytes(StepArguments with)
    {
        const long Fallback = 10L << 30;
        if (with.TextOrNull("max-size") is not { } text) return Fallback;
        foreach (var (unit, size) in new[] { ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40) })
            if (text.EndsWith(unit, StringComparison.Ordinal) && double.TryParse(text.AsSpan(0, text.Length - 3).Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number > 0) return (long)(number * size);
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) && bytes > 0) return bytes;
        with.Fault("max-size", $"max-size is '{text}', not a size such as 500MiB or 20GiB");
        return Fallback;
    }

    sealed record Arguments(CollectRequest Request, string Path, string? Refresh, bool IsFiles, RetentionRule? Keep);
}
