using System.Globalization;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>What an endpoint was asked and answered, and what turned out to be true: <c>predictions:ENDPOINT</c>. Training data out of serving closes the loop.</summary>
/// <remarks>
/// Labels arrive late: all of the late window is read again, and a prediction that has its label now takes the place of the one that had none. Segments
/// are read without the log's lock, beside a server that writes it; where this process is the writer, what waits is written first.
/// </remarks>
public sealed class PredictionSource(PredictionLogs logs) : ISource
{
    public IReadOnlyList<string> Prefixes { get; } = ["predictions:"];

    public IReadOnlyList<string> Settings { get; } = ["labels"];

    public bool GivesRows => true;

    public async Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var endpoint = request.Address["predictions:".Length..];
        DatasetReference.CheckName(endpoint);
        if (!logs.Endpoints().Contains(endpoint)) throw TaktException.NotFound($"{request.Address}: the endpoint has no prediction log here; a deployment writes it when it is asked");
        using var connection = await Open(endpoint, request, cancel);
        if (connection is null) return new SourceBatch(new Dictionary<string, string>(), request.Cursor);
        return DuckDb.Guard(request.Address, () => Read(connection, request, cancel));
    }

    async Task<DuckDBConnection?> Open(string endpoint, SourceRequest request, CancellationToken cancel)
    {
        // before what the rules below let through; late labels are of predictions that are read again
        var range = request.IsBackfill ? LogRange.All with { From = request.Range.From is { } from ? At(from) : null }
            : request.Cursor is { } known ? LogRange.All with { From = At(known) - request.Late } : LogRange.All;
        try
        {
            var log = logs.Of(endpoint);
            await log.Flush();
            return await log.Open(range, cancel);
        }
        catch (TaktException e) when (e.Error == TaktError.Conflict)
        {
            return await logs.OpenBeside(endpoint, Path.Combine(request.Target, "segments"), range, cancel); // a server writes it: its finished segments
        }
    }

    static SourceBatch Read(DuckDBConnection connection, SourceRequest request, CancellationToken cancel)
    {
        var rules = new List<string> { "p.error = ''" };
        if (request.Setting("labels") is null or "required") rules.Add("l.label is not null");
        if (request.IsBackfill)
        {
            if (request.Range.From is { } from) rules.Add($"p.time >= {Time(from)}");
            if (request.Range.To is { } to) rules.Add($"p.time < {Time(to)}");
        }
        else if (request.Cursor is { } known)
            rules.Add(request.Late == TimeSpan.Zero ? $"p.time > {Time(known)}" : $"p.time >= {Time(known)} - interval '{(long)request.Late.TotalSeconds} seconds'");
        var columns = Tables.Schema(connection, "predictions").Select(c => c.Name).ToList();
        var key = !columns.Contains("key") ? "" : columns.Contains("in_key") ? "p.key as takt_key, " : "p.key, ";
        var inputs = columns.Where(n => n.StartsWith("in_", StringComparison.Ordinal) || n.StartsWith("out_", StringComparison.Ordinal)).ToList();
        // an input is called as the model calls it, so that the rows can train the next one
        var names = inputs.Select(n => n.StartsWith("in_", StringComparison.Ordinal) ? $"p.{DuckDb.Name(n)} as {DuckDb.Name(n[3..])}" : $"p.{DuckDb.Name(n)}");
        var file = Path.Combine(request.Target, $"{Guid.NewGuid():N}.parquet");
        var rows = Tables.WriteParquet(connection, $"""
            select p.id, p.time, p.model_version, {key}{string.Join("", names.Select(n => n + ", "))}l.label, l.time as label_time
            from predictions p left join labels l on l.id = p.id where {string.Join(" and ", rules)} order by p.time, p.id
            """, file, null, cancel);
        using var command = connection.CreateCommand();
        command.CommandText = "select strftime(max(time), '%Y-%m-%d %H:%M:%S.%f') from predictions";
        var newest = command.ExecuteScalar() as string;
        return new SourceBatch(rows == 0 ? new Dictionary<string, string>() : new Dictionary<string, string> { ["rows.parquet"] = file }, newest ?? request.Cursor);
    }

    static string Time(string text) => $"timestamp {DuckDb.Text(At(text).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture))}";

    static DateTimeOffset At(string text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw TaktException.Invalid($"'{text}' is no time; write 2001-01-31 or 2001-01-31T12:00:00Z");
}
