using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Data;

/// <summary>
/// Brings data from sources into commits: fetch, unpack, mask, check the columns, leave out rows that are there, commit. The cursor is part of the
/// commit, so a ref that goes back takes it with it; a batch that brings nothing new makes no commit.
/// </summary>
/// <remarks>Two collects at once: the second to finish finds the tip moved and begins again behind it, so that no row is there twice.</remarks>
public sealed class Collector(Datasets datasets, IReadOnlyList<ISource> sources)
{
    const int Attempts = 5;

    /// <summary>The source that takes the address; files when none else does.</summary>
    public ISource Of(string address) =>
        sources.FirstOrDefault(source => source.Prefixes.Any(prefix => address.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))) ?? sources.First(source => source.Prefixes.Count == 0);

    public IReadOnlyList<ISource> Sources => sources;

    /// <exception cref="TaktException">
    /// NotFound: nothing is there and there is no version yet. Invalid: data, columns or expectations; nothing was committed. Unavailable: the source. Conflict: others kept committing.
    /// </exception>
    public async Task<Committed> Collect(CollectRequest request, CancellationToken cancel = default)
    {
        DatasetReference.CheckName(request.Dataset);
        var kinds = request.Sources.Select(Of).Distinct().ToList();
        if (kinds.Count != 1 || (request.Sources.Count > 1 && kinds[0].Prefixes.Count > 0))
            throw TaktException.Invalid($"{request.Dataset}: a dataset has one source; only files may be several");
        for (var attempt = 1; ; attempt++)
        {
            var target = datasets.Scratch();
            Directory.CreateDirectory(target);
            try
            {
                return await Collect(request, kinds[0], target, cancel);
            }
            catch (TaktException e) when (e.Error == TaktError.Conflict && attempt < Attempts && e.Message.Contains("collect again", StringComparison.Ordinal))
            {
                // what was read belongs behind another version now: read again, from its cursor
            }
            catch (TaktException e) when (e.Message.Contains(target, StringComparison.Ordinal))
            {
                throw new TaktException(e.Error, e.Faults.Select(fault => fault.Replace(target + "/", "", StringComparison.Ordinal).Replace(target, "", StringComparison.Ordinal)).ToList());
            }
            finally
            {
                if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
            }
        }
    }

    async Task<Committed> Collect(CollectRequest request, ISource source, string target, CancellationToken cancel)
    {
        var tip = datasets.Tip(request.Dataset);
        var identity = Identity(request);
        var fetched = Directory.CreateDirectory(Path.Combine(target, "fetched")).FullName;
        var (files, cursor) = (new Dictionary<string, string>(StringComparer.Ordinal), (string?)null);
        foreach (var address in request.Sources)
        {
            var batch = await source.Fetch(new SourceRequest(address, request.Folder, fetched)
            {
                Cursor = Known(tip?.Cursor, identity),
                Range = request.Range,
                Settings = request.Settings,
                Late = request.Late,
                MaxBytes = request.MaxBytes,
            }, cancel);
            cursor = batch.Cursor;
            foreach (var (path, file) in batch.Files)
                if (!files.TryAdd(path, file) && files[path] != file)
                    throw TaktException.Invalid($"'{files[path]}' and '{file}' would both be '{path}' in the dataset; collect from one folder, or rename one");
        }
        if (request.Unpack is { } wanted) files = Archives.Unpack(files, wanted, Path.Combine(target, "unpacked"), request.MaxBytes);
        if (files.Count == 0 && tip is null)
            throw TaktException.NotFound(source.Prefixes.Count == 0 ? $"{request.Dataset}: no file matches {string.Join(", ", request.Sources)} in {request.Folder}" : $"{request.Dataset}: {string.Join(", ", request.Sources)} gave nothing, and there is no version yet");
        foreach (var (path, file) in files.Where(file => Gzip.Is(file.Key) && DuckDb.CanRead(file.Key))) Gzip.Require(path, file);
        WorkProgress.ToDo(files.Count, files.Values.Sum(file => File.Exists(file) ? new FileInfo(file).Length : 0));
        if (request.Mask.Count > 0) files = ColumnMask.Apply(files, request, Path.Combine(target, "masked"), cancel);
        var without = new List<string>();
        if (source.GivesRows && files.Count > 0)
        {
            var merge = new RowMerge(request, Path.Combine(target, "merged"));
            if (tip is not null)
            {
                var before = Path.Combine(target, "before");
                await datasets.Export(tip, before, DuckDb.CanRead, cancel);
                (files, without) = merge.Into(before, files.Values.Single(), cancel);
            }
            else files = merge.First(files.Values.Single(), cancel);
        }
        else if (request.SingleFile is { } only && files.Count == 1) files = new() { [only] = files.Values.Single() };
        CheckColumns(request, source, tip is null ? null : await datasets.Profile(tip, cancel), files);
        var from = string.Join(", ", request.Sources);
        var message = request.Message.Length > 0 ? request.Message : request.Range is (null, null) ? $"collect {from}" : $"collect {from} from {request.Range.From ?? "the beginning"} to {request.Range.To ?? "the end"}";
        return await datasets.Commit(new NewVersion(request.Dataset, files)
        {
            KeepOthers = true,
            Without = without,
            Expect = request.Expect,
            Source = from,
            Message = message,
            // a backfill fills a hole behind the cursor and does not move it
            Cursor = cursor is null || request.Range is not (null, null) ? null : new JsonObject { ["at"] = cursor, ["of"] = identity }.ToJsonString(),
            On = source.Prefixes.Count == 0 ? null : (tip?.Id, true),
        }, cancel);
    }

    // another query or table has another history: its cursor means nothing here. Secrets stand in it by name.
    static string Identity(CollectRequest request) => Digest.Of(System.Text.Encoding.UTF8.GetBytes(JsonSerializer.Serialize(
        request.Sources.Concat(request.Settings.OrderBy(s => s.Key, StringComparer.Ordinal).SelectMany(s => new[] { s.Key, s.Value })).ToList(), DataJson.Default.ListString))).Hex[..16];

    static string? Known(string? cursor, string identity)
    {
        if (cursor is null) return null;
        try
        {
            return JsonNode.Parse(cursor) is JsonObject known && known["of"]?.GetValue<string>() == identity ? known["at"]?.GetValue<string>() : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // of another kind of commit
        }
    }

    static void CheckColumns(CollectRequest request, ISource source, TableProfile? before, IReadOnlyDictionary<string, string> files)
    {
        var policy = request.Schema ?? (source.GivesRows ? SchemaPolicy.Add : SchemaPolicy.Any);
        if (policy == SchemaPolicy.Any || before is null || files.Count == 0) return;
        var faults = new List<string>();
        using var connection = DuckDb.Open(threads: 1);
        foreach (var (path, file) in files.Where(file => DuckDb.CanRead(file.Key)))
        {
            var now = DuckDb.Guard(path, () => Tables.Schema(connection, DuckDb.Scan([file]))).ToDictionary(c => c.Name, c => c.Type, StringComparer.Ordinal);
            foreach (var old in before.Columns)
                if (!now.TryGetValue(old.Name, out var type)) faults.Add($"column '{old.Name}' is gone from {path}");
                else if (type != old.Type && old.Count > 0 && !(policy == SchemaPolicy.Add && (old.Type, type) is (ColumnType.Integer, ColumnType.Number) or (ColumnType.Number, ColumnType.Integer)))
                    faults.Add($"column '{old.Name}' was {ExpectationCheck.Word(old.Type)} and is {ExpectationCheck.Word(type)} in {path}");
            if (policy == SchemaPolicy.Same) faults.AddRange(now.Keys.Where(name => before.Find(name) is null).Select(name => $"column '{name}' is new in {path}"));
        }
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults.Select(fault => $"{request.Dataset}: {fault}; schema: any lets it in, schema: add new columns only").ToList());
    }
}
