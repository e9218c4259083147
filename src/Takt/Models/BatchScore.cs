using System.Threading.Channels;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Storage;

namespace Takt.Models;

/// <summary>Data files through a model into a file: the rows as they are, the model's answers beside them, in the same order.</summary>
/// <remarks>Rows pass through in chunks, as many at once as there are cores; memory does not grow with the data (answers spill to disk when they are many).</remarks>
public static class BatchScore
{
    const int ChunkRows = 16_384;
    const string Answers = "takt answers";

    /// <param name="data">Files or folders, as in <see cref="Tables.Read(IEnumerable{string}, IReadOnlyList{string}?)"/>.</param>
    /// <param name="output"><c>.parquet</c>, <c>.csv</c> or <c>.jsonl</c>; written atomically.</param>
    /// <param name="keep">The data's columns to write beside the answers; null: all.</param>
    /// <param name="explain">Adds what each input contributed (<see cref="ILoadedModel.Explain"/>).</param>
    /// <param name="progress">Told how many rows are done, now and then.</param>
    /// <returns>How many rows.</returns>
    /// <exception cref="TaktException">Invalid, with every fault: a column that is missing or of the wrong type, or would be written twice; the output's ending. NotSupported: the model can't be explained.</exception>
    public static async Task<long> Run(
        ILoadedModel model, IReadOnlyList<string> data, string output, IReadOnlyList<string>? keep = null, bool explain = false, Action<long>? progress = null, CancellationToken cancel = default)
    {
        var format = Format(output);
        var files = Tables.Expand(data);
        var named = files.Count == 1 ? files[0] : $"{files[0]} and {files.Count - 1} more";
        var scan = DuckDb.Scan(files);
        using var connection = DuckDb.Open();
        var columns = DuckDb.Guard(named, () => Tables.Schema(connection, scan)).Select(column => column.Name).ToList();
        Check(model, columns, keep, explain, named);

        var sql = $"select {string.Join(", ", model.Signature.Inputs.Where(f => columns.Contains(f.Name)).Select(f => DuckDb.Name(f.Name)))} from {scan}";
        var rows = await Answer(connection, model, sql, named, explain, progress, cancel);
        var kept = keep is null ? "d.*" : string.Join(", ", keep.Select(name => $"d.{DuckDb.Name(name)}"));
        Write(connection, $"select {(kept.Length > 0 ? kept + ", " : "")}a.* from {scan} d positional join {DuckDb.Name(Answers)} a", output, format, named, cancel);
        return rows;
    }

    static void Check(ILoadedModel model, List<string> columns, IReadOnlyList<string>? keep, bool explain, string named)
    {
        var faults = new List<string>();
        foreach (var field in model.Signature.Inputs)
            if (field.Required && !columns.Contains(field.Name)) faults.Add($"{named}: the model's input '{field.Name}' is not among the columns: {string.Join(", ", columns)}");
        foreach (var name in keep ?? [])
            if (!columns.Contains(name)) faults.Add($"{named}: no column '{name}' to keep; there are: {string.Join(", ", columns)}");
        foreach (var name in Produced(model.Signature, explain))
            if ((keep ?? columns).Contains(name, StringComparer.OrdinalIgnoreCase)) faults.Add($"{named}: the data has a column '{name}', as the answers have; name the columns to keep without it");
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
    }

    static IEnumerable<string> Produced(Signature signature, bool explain) =>
        signature.Outputs.Select(f => f.Name).Concat(explain ? signature.Inputs.Select(f => "contribution." + f.Name).Append("contribution.bias") : []);

    /// <summary>Reads, predicts and appends at the same time; chunks keep their order.</summary>
    static async Task<long> Answer(DuckDBConnection connection, ILoadedModel model, string sql, string named, bool explain, Action<long>? progress, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var queue = Channel.CreateBounded<Task<Table>>(Environment.ProcessorCount * 2);
        var reading = Task.Run(() => Read(sql, named, chunk => Predict(model, chunk, explain), queue.Writer, stop.Token), CancellationToken.None);
        DuckDBAppender? appender = null;
        var rows = 0L;
        try
        {
            await foreach (var chunk in queue.Reader.ReadAllAsync(cancel))
            {
                var answers = await chunk;
                appender ??= Create(connection, answers.Columns.Select(c => (c.Name, c.Type)));
                Append(appender, answers);
                rows += answers.Rows;
                progress?.Invoke(rows);
            }
            if (appender is null) Create(connection, Produced(model.Signature, explain).Select(name => (name, ColumnType.Number))).Dispose();
        }
        finally
        {
            await stop.CancelAsync();
            await reading;
            appender?.Dispose();
        }
        return rows;
    }

    static void Read(string sql, string named, Func<Table, Table> predict, ChannelWriter<Task<Table>> queue, CancellationToken cancel)
    {
        try
        {
            using var connection = DuckDb.Open(threads: 1);
            DuckDb.Guard(named, () =>
            {
                foreach (var chunk in TableChunks.Read(connection, sql, ChunkRows))
                    queue.WriteAsync(Task.Run(() => predict(chunk), cancel), cancel).AsTask().GetAwaiter().GetResult();
                return true;
            });
            queue.Complete();
        }
        catch (Exception e)
        {
            queue.TryComplete(e);
        }
    }

    static Table Predict(ILoadedModel model, Table chunk, bool explain)
    {
        var answers = model.Predict(chunk);
        if (!explain) return answers;
        var contributions = model.Explain(chunk) ?? throw new TaktException(TaktError.NotSupported, "this model's runtime can't say what each input contributed; tree ensembles of LightGBM can");
        return new Table([.. answers.Columns, .. contributions.Columns]);
    }

    static DuckDBAppender Create(DuckDBConnection connection, IEnumerable<(string Name, ColumnType Type)> columns)
    {
        DuckDb.Execute(connection, $"create temp table {DuckDb.Name(Answers)}({string.Join(", ", columns.Select(c => $"{DuckDb.Name(c.Name)} {Tables.Stored(c.Type)}"))})");
        return connection.CreateAppender("temp", "main", Answers);
    }

    static void Append(DuckDBAppender appender, Table answers)
    {
        for (var row = 0; row < answers.Rows; row++)
        {
            var target = appender.CreateRow();
            foreach (var column in answers.Columns) Tables.Append(target, column, row);
            target.EndRow();
        }
    }

    static void Write(DuckDBConnection connection, string sql, string output, string format, string named, CancellationToken cancel)
    {
        output = Path.GetFullPath(output);
        Directory.CreateDirectory(Path.GetDirectoryName(output)!);
        var tmp = $"{output}.{Guid.NewGuid():N}.tmp";
        try
        {
            DuckDb.Guard(named, () =>
            {
                using var command = connection.CreateCommand();
                command.CommandText = $"copy ({sql}) to {DuckDb.Text(tmp)} ({format}, use_tmp_file false)";
                using var interrupt = cancel.Register(command.Cancel);
                return command.ExecuteNonQuery();
            });
            Files.Publish(tmp, output);
        }
        finally
        {
            File.Delete(tmp);
        }
    }

    static string Format(string output) => Path.GetExtension(output).ToLowerInvariant() switch
    {
        ".parquet" => "format parquet, compression zstd",
        ".csv" => "format csv, header true",
        ".jsonl" or ".ndjson" => "format json",
        _ => throw TaktException.Invalid($"'{output}' must end with .parquet, .csv or .jsonl"),
    };
}
