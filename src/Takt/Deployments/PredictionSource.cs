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
public sealed class PredictionSource(PredictionLogs logs, TaktFolder folder) : ISource
{
    public IReadOnlyList<string> Prefixes { get; } = ["predictions:"];

    public IReadOnlyList<string> Settings { get; } = ["labels"];

    public bool GivesRows => true;

    public async Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var endpoint = request.Address["predictions:".Length..];
        DatasetReference.CheckName(endpoint);
        var there = Path.Combine(folder.Predictions, endpoint);
        if (!Directory.Exists(there)) throw TaktException.NotFound($"{request.Address}: the endpoint has no prediction log here; a deployment writes it when it is asked");
        using var connection = await Open(endpoint, there, request.Target);
        if (connection is null) return new SourceBatch(new Dictionary<string, string>(), request.Cursor);
        return DuckDb.Guard(request.Address, () => Read(connection, request, cancel));
    }

    async Task<DuckDBConnection?> Open(string endpoint, string there, string target)
    {
        try
        {
            var log = logs.Of(endpoint);
            await log.Flush();
            return log.Open();
        }
        catch (TaktException e) when (e.Error == TaktError.Conflict)
        {
            return Beside(there, Path.Combine(target, "segments")); // a server writes it: its finished segments
        }
    }

    /// <summary>Another process merges segments and takes the old ones away: each is linked first, so that it stays while it is read.</summary>
    static DuckDBConnection? Beside(string there, string target)
    {
        Directory.CreateDirectory(target);
        foreach (var file in Directory.GetFiles(there, "*.parquet"))
        {
            try
            {
                Files.LinkOrCopy(file, Path.Combine(target, Path.GetFileName(file)));
            }
            catch (IOException) when (!File.Exists(file))
            {
                // merged since it was listed: its rows are in another one, now or at the next collect
            }
        }
        var (predictions, labels) = (Directory.GetFiles(target, "predictions-*.parquet"), Directory.GetFiles(target, "labels-*.parquet"));
        if (predictions.Length == 0) return null;
        var connection = DuckDb.Open();
        // while a merge is under way a row can be seen twice
        DuckDb.Execute(connection, $"create view predictions as select * from read_parquet([{List(predictions)}], union_by_name = true) qualify row_number() over (partition by id) = 1");
        DuckDb.Execute(connection, labels.Length == 0
            ? "create view labels as select ''::varchar as id, 0::double as label, now()::timestamp as time where false"
            : $"create view labels as select id, label, time from read_parquet([{List(labels)}], filename = true, file_row_number = true) qualify row_number() over (partition by id order by time desc, filename desc, file_row_number desc) = 1");
        return connection;

        static string List(string[] files) => string.Join(", ", files.Order(StringComparer.Ordinal).Select(DuckDb.Text));
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
        var inputs = Tables.Schema(connection, "predictions").Select(c => c.Name).Where(n => n.StartsWith("in_", StringComparison.Ordinal) || n.StartsWith("out_", StringComparison.Ordinal)).ToList();
        // an input is called as the model calls it, so that the rows can train the next one
        var names = inputs.Select(n => n.StartsWith("in_", StringComparison.Ordinal) ? $"p.{DuckDb.Name(n)} as {DuckDb.Name(n[3..])}" : $"p.{DuckDb.Name(n)}");
        var file = Path.Combine(request.Target, $"{Guid.NewGuid():N}.parquet");
        var rows = Tables.WriteParquet(connection, $"""
            select p.id, p.time, p.model_version, {string.Join("", names.Select(n => n + ", "))}l.label, l.time as label_time
            from predictions p left join labels l on l.id = p.id where {string.Join(" and ", rules)} order by p.time, p.id
            """, file, null, cancel);
        using var command = connection.CreateCommand();
        command.CommandText = "select strftime(max(time), '%Y-%m-%d %H:%M:%S.%f') from predictions";
        var newest = command.ExecuteScalar() as string;
        return new SourceBatch(rows == 0 ? new Dictionary<string, string>() : new Dictionary<string, string> { ["rows.parquet"] = file }, newest ?? request.Cursor);
    }

    static string Time(string text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
        ? $"timestamp {DuckDb.Text(time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture))}"
        : throw TaktException.Invalid($"'{text}' is no time; write 2001-01-31 or 2001-01-31T12:00:00Z");
}
