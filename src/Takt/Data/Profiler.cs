using System.Globalization;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Makes a <see cref="TableProfile"/>: text is parsed once; numbers are sorted here, the texts of many rows are counted by DuckDB.</summary>
/// <remarks>
/// Memory is bounded, whatever the size of the table: <see cref="Memory"/> for DuckDB, which puts what is over into the temporary folder, and 128 MiB for the numbers of one column.
/// Larger columns are taken part by part, texts by their hash.
/// </remarks>
public static class Profiler
{
    /// <summary>For DuckDB, in bytes; or what it usually gets, when that is less.</summary>
    const long Memory = 1L << 30;

    /// <summary>Numbers that are sorted at once; with room to sort 16 bytes each.</summary>
    const int MostValues = 8 << 20;

    /// <summary>For so many values as are sorted at once, in bytes each, texts are grouped at once.</summary>
    const int BytesOfValue = 32;

    /// <summary>What a group takes beside its text, in bytes, about.</summary>
    const int BytesOfGroup = 64;

    /// <summary>Columns that are read at once, when their rows are few.</summary>
    const int ColumnsAtOnce = 200;

    /// <summary>Up to so many rows, texts are counted here: DuckDB takes 1 ms to make a table for the values of a column, and tables may have thousands.</summary>
    const long FewRows = 20_000;

    /// <summary>Of so many values the bounds of the parts are taken.</summary>
    const int Sampled = 100_000;

    /// <summary>Profiles data files as one table; folders stand for the data files in them.</summary>
    /// <exception cref="TaktException">NotFound or Invalid, as in <see cref="Tables.Read(IEnumerable{string}, IReadOnlyList{string}?)"/>.</exception>
    /// <exception cref="OperationCanceledException"></exception>
    public static TableProfile Profile(IEnumerable<string> files, CancellationToken cancel = default)
    {
        var paths = files.ToList();
        var all = Tables.Expand(paths);
        using var connection = DuckDb.Open(memory: Math.Min(Memory, DuckDb.UsualMemory));
        return DuckDb.Guard(all, () =>
        {
            var profile = Profile(connection, DuckDb.Scan(all), cancel: cancel);
            return all.Count == 1 ? profile : profile with { Kinds = Kinds(connection, all, paths, profile.Columns.Count) };
        });
    }

    public static TableProfile Profile(Table table)
    {
        using var connection = DuckDb.Open(memory: Math.Min(Memory, DuckDb.UsualMemory));
        Tables.Load(connection, "t", table);
        return Stored(connection, "t", MostValues, CancellationToken.None);
    }

    /// <param name="source">What stands behind <c>from</c>: a table, a view, a scan.</param>
    /// <param name="most">Numbers that are sorted at once.</param>
    internal static TableProfile Profile(DuckDBConnection connection, string source, int most = MostValues, CancellationToken cancel = default)
    {
        using var interrupt = new QueryStop(connection, cancel);
        // Parquet is read column by column as it is
        if (source.StartsWith("read_parquet", StringComparison.Ordinal)) return Stored(connection, source, most, cancel);
        DuckDb.Execute(connection, $"create or replace temp table \"takt profiled\" as select * from {source}");
        var profile = Stored(connection, "\"takt profiled\"", most, cancel);
        DuckDb.Execute(connection, "drop table \"takt profiled\"");
        return profile;
    }

    // whether one file has all columns is most often told by the first or the last
    static IReadOnlyList<TableKind>? Kinds(DuckDBConnection connection, IReadOnlyList<string> files, List<string> paths, int columns)
    {
        IReadOnlyList<string> Of(string file) => Tables.Schema(connection, DuckDb.Scan([file], asText: true)).Select(column => column.Name).ToList();
        if (Of(files[^1]).Count == columns || Of(files[0]).Count == columns) return null;
        return TableKind.Of(files.Select(file => (Within(file), Of(file))));

        string Within(string file) => paths.FirstOrDefault(path => Directory.Exists(path) && file.StartsWith(path, StringComparison.Ordinal)) is { } folder ? Path.GetRelativePath(folder, file) : file;
    }

    static TableProfile Stored(DuckDBConnection connection, string source, int most, CancellationToken cancel)
    {
        var columns = Tables.Schema(connection, source);
        if (columns.Count == 0) return new TableProfile(0, []);
        var rows = Tables.Query(connection, $"select count(*) as n from {source}", cancel)["n"].Integers[0];
        var profiles = new ColumnProfile[columns.Count];
        var numbers = new List<SortedRuns>();
        var here = new List<int>();
        for (var i = 0; i < columns.Count; i++)
            if (columns[i].Type != ColumnType.Text || rows <= FewRows) here.Add(i);
            else profiles[i] = Texts(connection, source, columns[i], rows, most);
        foreach (var group in here.Chunk((int)Math.Clamp(most / Math.Max(1, rows), 1, ColumnsAtOnce)))
        {
            cancel.ThrowIfCancellationRequested();
            Read(connection, source, columns, group, rows, most, numbers, profiles);
        }
        return new TableProfile(rows, profiles);
    }

    static void Read(DuckDBConnection connection, string source, IReadOnlyList<ColumnSchema> columns, int[] group, long rows, int most, List<SortedRuns> numbers, ColumnProfile[] profiles)
    {
        while (numbers.Count < group.Length) numbers.Add(new SortedRuns());
        if (rows > most)
        {
            foreach (var i in group) profiles[i] = Finished(connection, columns[i], Parts(connection, source, columns[i], rows, most, numbers[0]), rows);
            return;
        }
        for (var k = 0; k < group.Length; k++) numbers[k].Clear(columns[group[k]].Type == ColumnType.Text ? 0 : rows);
        var texts = group.Select(_ => new Dictionary<string, long>(StringComparer.Ordinal)).ToArray();
        foreach (var reader in Rows(connection, $"select {string.Join(", ", group.Select(i => Value(columns[i])))} from {source}"))
            for (var k = 0; k < group.Length; k++)
            {
                if (reader.IsDBNull(k)) continue;
                var column = columns[group[k]];
                if (column.Type != ColumnType.Text) numbers[k].Add(IsReal(column) ? SortedRuns.Key(reader.GetDouble(k)) : reader.GetInt64(k));
                else if (reader.GetString(k) is var text) texts[k][text] = texts[k].GetValueOrDefault(text) + 1;
            }
        for (var k = 0; k < group.Length; k++)
        {
            var column = columns[group[k]];
            if (column.Type == ColumnType.Text)
            {
                var top = texts[k].Select(value => new ValueCount(value.Key, value.Value));
                profiles[group[k]] = New(column, rows, texts[k].Values.Sum(), texts[k].Count) with { Top = Ordered(top).Take(TableProfile.MostTop).ToList() };
                continue;
            }
            var statistics = new NumberStatistics(numbers[k].Count);
            numbers[k].Each((key, times) => statistics.Add(key, Real(column, key), times));
            profiles[group[k]] = Finished(connection, column, statistics, rows);
        }
    }

    /// <summary>A column of many rows, part after part by the order of its values: between bounds out of a sample, so that no value between two bounds is frequent.</summary>
    static NumberStatistics Parts(DuckDBConnection connection, string source, ColumnSchema column, long rows, int most, SortedRuns numbers)
    {
        var (value, literal) = (Value(column), IsReal(column) ? "double" : "bigint");
        var shares = string.Join(", ", Enumerable.Range(1, (int)(rows / (most / 2))).Select(i => ((double)i * (most / 2) / rows).ToString("R", CultureInfo.InvariantCulture)));
        long count = 0;
        var bounds = new SortedDictionary<long, long>(); // and how often they occur
        foreach (var reader in Rows(connection, $"select count({value}) from {source}")) count = reader.GetInt64(0);
        foreach (var reader in Rows(connection, $"select distinct unnest(quantile_disc(v, [{shares}]))::{literal} from (select {value} as v from {source} where {value} is not null using sample reservoir({Sampled} rows))")) bounds[Key(reader)] = 0;
        var list = bounds.Keys.Select(Bound).ToList();
        if (list.Count > 0)
            foreach (var reader in Rows(connection, $"select v, count(*) from (select {value} as v from {source}) where v in ({string.Join(", ", list)}) group by v")) bounds[Key(reader)] = reader.GetInt64(1);
        var statistics = new NumberStatistics(count);
        long? below = null;
        foreach (var bound in bounds.Keys.Select(key => (long?)key).Append(null))
        {
            numbers.Clear(most);
            var within = string.Join(" and ", new[] { "v is not null", below is { } low ? $"v > {Bound(low)}" : null, bound is { } high ? $"v < {Bound(high)}" : null }.OfType<string>());
            foreach (var reader in Rows(connection, $"select v from (select {value} as v from {source}) where {within}")) numbers.Add(Key(reader));
            numbers.Each((key, times) => statistics.Add(key, Real(column, key), times));
            if (bound is { } at && bounds[at] > 0) statistics.Add(at, Real(column, at), bounds[at]);
            below = bound;
        }
        return statistics;

        long Key(DuckDBDataReader reader) => IsReal(column) ? SortedRuns.Key(reader.GetDouble(0)) : reader.GetInt64(0);

        string Bound(long key) => IsReal(column) ? DuckDb.Number(SortedRuns.Value(key)) : $"({key.ToString(CultureInfo.InvariantCulture)})::bigint";
    }

    static ColumnProfile Finished(DuckDBConnection connection, ColumnSchema column, NumberStatistics statistics, long rows)
    {
        var profile = statistics.In(New(column, rows, 0, 0));
        profile = profile with { Missing = rows - profile.Count };
        if (profile.Count == 0 || column.Type == ColumnType.Time || statistics.Few.Count == 0) return profile;
        var words = column.Type switch
        {
            ColumnType.Boolean => statistics.Few.Select(value => value.Key == 0 ? "false" : "true").ToList(),
            ColumnType.Integer when !IsReal(column) => statistics.Few.Select(value => value.Key.ToString(CultureInfo.InvariantCulture)).ToList(),
            // as SQL writes a value of its type: "2.0", "2.50"
            _ => Rows(connection, $"select unnest([{string.Join(", ", statistics.Few.Select(value => $"coalesce(try_cast({DuckDb.Number(SortedRuns.Value(value.Key))} as {column.Stored})::varchar, {DuckDb.Number(SortedRuns.Value(value.Key))}::varchar)"))}])").Select(reader => reader.GetString(0)).ToList(),
        };
        return profile with { Top = Ordered(words.Zip(statistics.Few, (word, value) => new ValueCount(word, value.Count))).ToList() };
    }

    // grouped once: how many groups there are, and the largest; texts that are too many to be held at once, part after part by their hash
    static ColumnProfile Texts(DuckDBConnection connection, string source, ColumnSchema column, long rows, int most)
    {
        var texts = $"(select {DuckDb.Name(column.Name)}::varchar as v from {source} where {DuckDb.Name(column.Name)} is not null)";
        double held = 0;
        foreach (var reader in Rows(connection, $"select (approx_count_distinct(v) * ({BytesOfGroup} + coalesce(avg(strlen(v)), 0)))::double from {texts}")) held = reader.GetDouble(0);
        var parts = Math.Max(1, (long)Math.Ceiling(held / ((double)most * BytesOfValue)));
        var (top, distinct, count) = (new List<ValueCount>(), 0L, 0L);
        for (var part = 0; part < parts; part++)
        {
            var (different, all) = (0L, 0L);
            foreach (var reader in Rows(connection, $"""
                with g as materialized (select v, count(*) as n from {texts} {(parts == 1 ? "" : $"where hash(v) % {parts} = {part}")} group by v)
                select v, n, (select count(*) from g), (select sum(n) from g)::bigint from g order by n desc, v limit {TableProfile.MostTop}
                """))
            {
                top.Add(new ValueCount(reader.GetString(0), reader.GetInt64(1)));
                (different, all) = (reader.GetInt64(2), reader.GetInt64(3));
            }
            (distinct, count) = (distinct + different, count + all);
            top = Ordered(top).Take(TableProfile.MostTop).ToList();
        }
        return New(column, rows, count, distinct) with { Top = top };
    }

    static ColumnProfile New(ColumnSchema column, long rows, long count, long distinct) => new() { Name = column.Name, Type = column.Type, Count = count, Missing = rows - count, Distinct = distinct };

    static IOrderedEnumerable<ValueCount> Ordered(IEnumerable<ValueCount> values) => values.OrderByDescending(value => value.Count).ThenBy(value => value.Value, StringComparer.Ordinal);

    // whole numbers stay what they are; those of more than 63 bits are doubles
    static bool IsReal(ColumnSchema column) => column.Type == ColumnType.Number || column.Stored == "UBIGINT";

    static double Real(ColumnSchema column, long key) => IsReal(column) ? SortedRuns.Value(key) : key;

    static string Value(ColumnSchema column)
    {
        var name = DuckDb.Name(column.Name);
        return column.Type switch
        {
            ColumnType.Text => $"{name}::varchar",
            ColumnType.Time => $"epoch_us({name})",
            _ when IsReal(column) => $"case when isfinite({name}::double) then {name}::double end",
            _ => $"{name}::bigint",
        };
    }

    static IEnumerable<DuckDBDataReader> Rows(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.UseStreamingMode = true;
        using var reader = command.ExecuteReader();
        while (reader.Read()) yield return reader;
    }
}
