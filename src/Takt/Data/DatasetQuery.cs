using System.Text.Json;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>
/// One SELECT over any versions of datasets: <c>from trips</c> (the tip of main), <c>from trips@v3</c>, <c>from "trips@sha256:1f0c"</c>. Only the versions
/// that it names are put within its reach.
/// </summary>
public sealed class DatasetQuery(Datasets datasets)
{
    /// <summary>Runs it and holds the first <paramref name="limit"/> rows.</summary>
    /// <exception cref="TaktException">
    /// NotFound: no such dataset or version. Invalid: the SQL is wrong, not a single SELECT, or reads something else. Unavailable: out of memory, disk or time. Cancelled.
    /// </exception>
    public Task<Table> Table(string sql, int limit, QueryLimits? limits = null, CancellationToken cancel = default) =>
        Run(sql, (query, tables) => SqlQuery.ToTable("query", query, tables, limit, limits, cancel), cancel);

    /// <summary>Runs it and writes the whole result, by the file's ending: <c>.parquet</c>, <c>.csv</c>, <c>.jsonl</c>.</summary>
    /// <returns>How many rows.</returns>
    /// <inheritdoc cref="Table"/>
    public Task<long> Write(string sql, string output, QueryLimits? limits = null, CancellationToken cancel = default) =>
        Run(sql, (query, tables) => SqlQuery.ToFile("query", query, tables, output, limits, cancel), cancel);

    async Task<T> Run<T>(string sql, Func<string, IReadOnlyDictionary<string, string>, T> work, CancellationToken cancel)
    {
        var query = SqlNames.Quote(sql);
        var folder = datasets.Scratch();
        var tables = new Dictionary<string, string>();
        try
        {
            foreach (var name in Named(query))
            {
                var commit = datasets.Show(name);
                tables[name] = Path.Combine(folder, $"{tables.Count}");
                await datasets.Export(commit, tables[name], DuckDb.CanRead, cancel);
                if (!Directory.EnumerateFiles(tables[name], "*", SearchOption.AllDirectories).Any()) throw TaktException.Invalid($"'{name}' holds no tables");
            }
            return await Task.Run(() => work(query, tables), CancellationToken.None); // it looks at the token itself, and says what was cancelled
        }
        catch (TaktException e)
        {
            throw tables.Values.Aggregate(e, (told, path) => told.Without(path + "/"));
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The tables that the parser finds and that the query does not make itself (WITH), a dataset or one of its versions each.</summary>
    IReadOnlyList<string> Named(string sql)
    {
        using var connection = DuckDb.Open(threads: 1);
        SqlQuery.RequireOneSelect(connection, "query", sql);
        using var command = connection.CreateCommand();
        command.CommandText = "select json_serialize_sql($1::varchar)::varchar";
        command.Parameters.Add(new DuckDBParameter(sql));
        using var tree = JsonDocument.Parse((string)command.ExecuteScalar()!, new JsonDocumentOptions { MaxDepth = 1000 });
        var (found, own) = (new List<string>(), new HashSet<string>(StringComparer.OrdinalIgnoreCase));
        Walk(tree.RootElement);
        var known = datasets.List().ToDictionary(dataset => dataset.Name, dataset => dataset.Tip, StringComparer.Ordinal);
        foreach (var name in found.Where(name => !own.Contains(name) && !name.Contains('@') && !known.ContainsKey(name)))
            throw TaktException.NotFound($"no dataset '{name}'; " + (known.Count == 0 ? "there is none yet, 'takt data add FOLDER' or 'takt data collect' makes one" : $"there are: {string.Join(", ", known.Keys.Order(StringComparer.Ordinal))}"));
        return found.Where(name => !own.Contains(name)).Distinct(StringComparer.Ordinal).ToList();

        void Walk(JsonElement at)
        {
            switch (at.ValueKind)
            {
                case JsonValueKind.Array:
                    foreach (var item in at.EnumerateArray()) Walk(item);
                    break;
                case JsonValueKind.Object:
                    if (at.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("BASE_TABLE") && at.TryGetProperty("table_name", out var table)
                        && !IsFile(table.GetString()!) && at.TryGetProperty("schema_name", out var schema) && schema.ValueEquals("")) found.Add(table.GetString()!);
                    if (at.TryGetProperty("cte_map", out var ctes) && ctes.TryGetProperty("map", out var map))
                        foreach (var cte in map.EnumerateArray())
                            if (cte.TryGetProperty("key", out var key)) own.Add(key.GetString()!);
                    foreach (var member in at.EnumerateObject()) Walk(member.Value);
                    break;
            }
        }

        // from 'x.parquet': the engine refuses it in its own words
        static bool IsFile(string name) => name.Contains('/') || DuckDb.CanRead(name);
    }
}
