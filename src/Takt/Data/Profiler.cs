using System.Globalization;
using System.Text.Json;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Makes a <see cref="TableProfile"/>: one scan for the statistics, one for the bins, one for columns of few values, one more per column of many values that are counted.</summary>
public static class Profiler
{
    /// <summary>So many columns a scan: each holds its different values and its sorted ones in memory meanwhile.</summary>
    const int ColumnsAtOnce = 200;

    /// <summary>Up to so many rows of a wide table, different values are counted in a sorted map: a hash table for each column takes 1 ms to make.</summary>
    const long FewRows = 20_000;

    /// <summary>Profiles data files as one table; folders stand for the data files in them.</summary>
    /// <exception cref="TaktException">NotFound or Invalid, as in <see cref="Tables.Read(IEnumerable{string}, IReadOnlyList{string}?)"/>.</exception>
    public static TableProfile Profile(IEnumerable<string> files)
    {
        var all = Tables.Expand(files);
        using var connection = DuckDb.Open();
        return DuckDb.Guard(Tables.Named(all), () => Profile(connection, DuckDb.Scan(all)));
    }

    public static TableProfile Profile(Table table)
    {
        using var connection = DuckDb.Open();
        Tables.Load(connection, "t", table);
        return Profile(connection, "t");
    }

    /// <param name="source">What stands behind <c>from</c>: a table, a view, a scan.</param>
    public static TableProfile Profile(DuckDBConnection connection, string source)
    {
        var columns = Tables.Schema(connection, source);
        if (columns.Count == 0) return new TableProfile(0, []);
        if (columns.Count > ColumnsAtOnce && source.Contains("read_", StringComparison.Ordinal) && !source.StartsWith("read_parquet", StringComparison.Ordinal))
        {
            // text is parsed once, not once for each group of columns
            DuckDb.Execute(connection, $"create or replace temp table \"takt wide\" as select * from {source}");
            source = "\"takt wide\"";
        }
        var (rows, profiles) = (0L, new List<ColumnProfile>(columns.Count));
        var few = columns.Count > ColumnsAtOnce && Convert.ToInt64(Row(connection, $"select count(*) from {source}")[0], CultureInfo.InvariantCulture) <= FewRows;
        foreach (var group in columns.Chunk(ColumnsAtOnce))
        {
            (rows, var some) = Group(connection, source, group, few);
            profiles.AddRange(some);
        }
        return new TableProfile(rows, profiles);
    }

    static (long Rows, List<ColumnProfile>) Group(DuckDBConnection connection, string source, IReadOnlyList<ColumnSchema> columns, bool few)
    {
        var first = Row(connection, $"select count(*), {string.Join(", ", columns.SelectMany(column => Statistics(column, few)))} from {source}");
        var rows = Convert.ToInt64(first[0]);
        var profiles = new List<ColumnProfile>(columns.Count);
        var at = 1;
        foreach (var column in columns)
        {
            var profile = new ColumnProfile
            {
                Name = column.Name,
                Type = column.Type,
                Count = Convert.ToInt64(first[at]),
                Missing = rows - Convert.ToInt64(first[at]),
                Distinct = Convert.ToInt64(first[at + 1]),
            };
            at += 2;
            if (IsNumeric(column))
            {
                var quantiles = first[at + 4] is IEnumerable<double> list ? list.ToArray() : [];
                profile = profile with
                {
                    Min = Real(first[at]),
                    Max = Real(first[at + 1]),
                    Mean = Real(first[at + 2]),
                    Std = Real(first[at + 3]),
                    Quantiles = quantiles,
                    Cuts = quantiles.Distinct().ToArray(),
                };
                at += 5;
            }
            profiles.Add(profile);
        }
        CountBins(connection, source, columns, profiles);
        CountFewValues(connection, source, columns, profiles);
        for (var i = 0; i < profiles.Count; i++) profiles[i] = CountValues(connection, source, columns[i], profiles[i]);
        return (rows, profiles);
    }

    static IEnumerable<string> Statistics(ColumnSchema column, bool few)
    {
        var value = Value(column);
        yield return $"count({value})";
        yield return few ? $"coalesce(cardinality(histogram({value})), 0)" : $"count(distinct {value})";
        if (!IsNumeric(column)) yield break;
        yield return $"min({value})";
        yield return $"max({value})";
        yield return $"avg({value})";
        yield return $"stddev_samp({value})";
        yield return $"quantile_disc({Ordered(column)}, [{string.Join(", ", TableProfile.Probabilities.Select(Literal))}])::double[]";
    }

    // sorting whole numbers takes DuckDB a quarter of the time that sorting doubles takes
    static string Ordered(ColumnSchema column) => column.Type switch
    {
        ColumnType.Integer => DuckDb.Name(column.Name),
        ColumnType.Time => $"epoch_us({DuckDb.Name(column.Name)})",
        _ => Value(column),
    };

    // one aggregate a column: eleven counts with a filter each take twelve times as long, and among thousands of columns a hundred times
    static void CountBins(DuckDBConnection connection, string source, IReadOnlyList<ColumnSchema> columns, List<ColumnProfile> profiles)
    {
        var binned = Enumerable.Range(0, columns.Count).Where(i => profiles[i].Cuts.Count > 0).ToList();
        if (binned.Count == 0) return;
        // a bin's upper end belongs to it, as in BinOf; what lies above the last cut is told only when there is something
        var row = Row(connection, $"select {string.Join(", ", binned.Select(i => $"to_json(map_values(histogram({Value(columns[i])}, [{string.Join(", ", profiles[i].Cuts.Select(Literal))}])))::varchar"))} from {source}");
        for (var k = 0; k < binned.Count; k++)
        {
            var profile = profiles[binned[k]];
            var bins = new long[profile.Cuts.Count + 1];
            using var counts = JsonDocument.Parse((string)row[k]!);
            var bin = 0;
            foreach (var count in counts.RootElement.EnumerateArray()) bins[bin++] = count.GetInt64();
            profiles[binned[k]] = profile with { BinCounts = bins };
        }
    }

    static bool HasCounts(ColumnSchema column, ColumnProfile profile) => profile.Count > 0 && (column.Type is ColumnType.Text or ColumnType.Boolean
        || (column.Type is ColumnType.Integer or ColumnType.Number && profile.Distinct <= TableProfile.FewValues));

    // whole numbers and booleans in their own words ("3", "true"), never as "3.0"
    static string Present(ColumnSchema column) => column.Type == ColumnType.Number ? $"{Value(column)} is not null" : $"{DuckDb.Name(column.Name)} is not null";

    // columns whose values are few enough to be named all: one scan for all of them
    static void CountFewValues(DuckDBConnection connection, string source, IReadOnlyList<ColumnSchema> columns, List<ColumnProfile> profiles)
    {
        var few = Enumerable.Range(0, columns.Count).Where(i => HasCounts(columns[i], profiles[i]) && profiles[i].Distinct <= TableProfile.MostTop).ToList();
        if (few.Count == 0) return;
        var row = Row(connection, $"select {string.Join(", ", few.Select(i => $"to_json(histogram({DuckDb.Name(columns[i].Name)}::varchar) filter ({Present(columns[i])}))::varchar"))} from {source}");
        for (var k = 0; k < few.Count; k++)
        {
            using var counts = JsonDocument.Parse((string)row[k]!);
            profiles[few[k]] = profiles[few[k]] with
            {
                Top = counts.RootElement.EnumerateObject().Select(value => new ValueCount(value.Name, value.Value.GetInt64())).OrderByDescending(value => value.Count).ThenBy(value => value.Value, StringComparer.Ordinal).ToList(),
            };
        }
    }

    static ColumnProfile CountValues(DuckDBConnection connection, string source, ColumnSchema column, ColumnProfile profile)
    {
        if (!HasCounts(column, profile) || profile.Top.Count > 0) return profile;
        var name = DuckDb.Name(column.Name);
        var present = Present(column);
        using var command = connection.CreateCommand();
        command.CommandText = $"select {name}::varchar as v, count(*) as n from {source} where {present} group by v order by n desc, v limit {TableProfile.MostTop}";
        using var reader = command.ExecuteReader();
        var top = new List<ValueCount>();
        while (reader.Read()) top.Add(new ValueCount(reader.GetString(0), reader.GetInt64(1)));
        return profile with { Top = top };
    }

    static bool IsNumeric(ColumnSchema column) => column.Type != ColumnType.Text;

    static string Value(ColumnSchema column)
    {
        var name = DuckDb.Name(column.Name);
        return column.Type switch
        {
            ColumnType.Text => name,
            ColumnType.Time => $"epoch_us({name})::double",
            ColumnType.Number => $"case when isfinite({name}::double) then {name}::double end",
            _ => $"{name}::double",
        };
    }

    static string Literal(double value) => value.ToString("R", CultureInfo.InvariantCulture) + "::double";

    static double? Real(object? value) => value is null or DBNull ? null : Convert.ToDouble(value, CultureInfo.InvariantCulture);

    static object?[] Row(DuckDBConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        reader.Read();
        var values = new object?[reader.FieldCount];
        for (var i = 0; i < values.Length; i++) values[i] = reader.IsDBNull(i) ? null : reader.GetValue(i);
        return values;
    }
}
