using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>New rows into a dataset that has some already: what is there stays as it is, byte for byte, and only files whose rows were replaced are written anew.</summary>
sealed class RowMerge(CollectRequest request, string folder)
{
    /// <summary>The first batch.</summary>
    public Dictionary<string, string> First(string fresh, CancellationToken cancel) => request.SingleFile is { } only ? new() { [only] = As(fresh, only, cancel) } : new() { [Name(1, fresh)] = fresh };

    /// <returns>Files to add or replace, and those to take out. None at all when every row is there already.</returns>
    public (Dictionary<string, string> Files, List<string> Without) Into(string before, string fresh, CancellationToken cancel)
    {
        Directory.CreateDirectory(folder);
        var known = Tables.Expand([before]).Select(Path.GetFullPath).ToList();
        using var connection = DuckDb.Open(threads: 1); // one thread: equal rows give equal bytes
        return DuckDb.Guard(request.Dataset, () =>
        {
            Run(connection, $"create temp view known as select * from {DuckDb.Scan(known, "takt file")}", cancel);
            Run(connection, $"create temp view fetched as select * from {DuckDb.Scan([fresh])}", cancel);
            var there = Tables.Schema(connection, "known").Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
            var columns = Tables.Schema(connection, "fetched").Select(c => c.Name).ToList();
            foreach (var key in request.Key.Where(key => !columns.Contains(key)))
                throw TaktException.Invalid($"{request.Dataset}: no column '{key}' to be the key; there are: {string.Join(", ", columns)}");
            // a column that is new makes every row new where there is a key; without one, rows can only be equal in the columns of both
            var same = string.Join(" and ", columns.Where(there.Contains).Select(c => $"k.{DuckDb.Name(c)} is not distinct from f.{DuckDb.Name(c)}").Concat(columns.Where(c => !there.Contains(c)).Select(c => $"f.{DuckDb.Name(c)} is null")));
            var distinct = request.Key.Count == 0 ? "select * from fetched" // within a batch, equal rows without a key are rows of their own
                : $"select * from fetched qualify row_number() over (partition by {Keys()}) = count(*) over (partition by {Keys()})"; // of a key that is there twice, the later
            Run(connection, $"create temp table fresh as select f.* from ({distinct}) f anti join known k on {same}", cancel);
            if (Number(connection, "select count(*) from fresh") == 0) return (new Dictionary<string, string>(), new List<string>());
            if (request.SingleFile is { } only)
            {
                var path = Path.Combine(folder, "whole" + Path.GetExtension(only));
                Tables.WriteFile(connection, $"select * exclude (\"takt file\") from known k {Replaced()} union all by name select * from fresh", path, null, cancel);
                return (new Dictionary<string, string> { [only] = path }, known.Select(file => Path.GetRelativePath(before, file)).Where(path => path != only).ToList());
            }
            var (files, without) = (new Dictionary<string, string>(StringComparer.Ordinal), new List<string>());
            if (request.Key.Count > 0)
                foreach (var file in Texts(connection, $"select distinct \"takt file\" from known k semi join fresh f on {On()}"))
                {
                    var (path, written) = (Path.GetRelativePath(before, file), Path.Combine(folder, $"{files.Count + without.Count}.parquet"));
                    var rows = Tables.WriteParquet(connection, $"select * from {DuckDb.Scan([file])} k {Replaced()}", written, null, cancel);
                    var parquet = path.EndsWith(".parquet", StringComparison.Ordinal);
                    if (rows > 0) files[parquet ? path : path + ".parquet"] = written;
                    if (rows == 0 || !parquet) without.Add(path);
                }
            var batch = Path.Combine(folder, "batch.parquet");
            Tables.WriteParquet(connection, "select * from fresh", batch, null, cancel);
            files[Name(known.Select(file => Ordinal(Path.GetFileName(file))).Max() + 1, batch)] = batch;
            return (files, without);
        });

        string Keys() => string.Join(", ", request.Key.Select(DuckDb.Name));
        string On() => string.Join(" and ", request.Key.Select(key => $"k.{DuckDb.Name(key)} = f.{DuckDb.Name(key)}"));
        string Replaced() => request.Key.Count == 0 ? "" : $"anti join fresh f on {On()}";
    }

    /// <summary><c>000012-1f0c9a2b.parquet</c>: batches in the order they came, and by content so that the same one is the same file.</summary>
    static string Name(int ordinal, string file)
    {
        using var content = File.OpenRead(file);
        return $"{ordinal:D6}-{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content))[..8]}.parquet";
    }

    static int Ordinal(string name) => name.Length > 7 && name[6] == '-' && int.TryParse(name.AsSpan(0, 6), out var ordinal) ? ordinal : 0;

    string As(string file, string name, CancellationToken cancel)
    {
        if (Path.GetExtension(name) == ".parquet") return file;
        Directory.CreateDirectory(folder);
        using var connection = DuckDb.Open(threads: 1);
        var path = Path.Combine(folder, "whole" + Path.GetExtension(name));
        Tables.WriteFile(connection, $"select * from {DuckDb.Scan([file])}", path, null, cancel);
        return path;
    }

    static void Run(DuckDBConnection connection, string sql, CancellationToken cancel)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var interrupt = new QueryStop(connection, cancel);
        command.ExecuteNonQuery();
    }

    static long Number(DuckDBConnection connection, string sql) => ExpectationProbes.Long(ExpectationProbes.Scalar(connection, sql));

    static List<string> Texts(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var texts = new List<string>();
        while (reader.Read()) texts.Add(reader.GetString(0));
        return texts;
    }
}
