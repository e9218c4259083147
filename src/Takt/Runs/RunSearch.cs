using Takt.Storage;

namespace Takt.Runs;

/// <summary>Searches of runs by MLflow's rules, page by page.</summary>
/// <remarks>
/// An order that begins with a metric is read from the index of metrics by value, in three parts: the runs whose metric is a number, those where it is NaN, those
/// that have none. Measured with 100,000 runs: the best 100 of a filter take about as long as with 10,000.
/// </remarks>
public sealed class RunSearch(Database database, Workspace workspace = default)
{
    /// <summary>The same, of another workspace.</summary>
    public RunSearch In(Workspace other) => other == workspace ? this : new(database, other);

    /// <param name="deleted">Null: both the active and the deleted.</param>
    /// <param name="token">Where the page before ended; null: from the start.</param>
    /// <exception cref="TaktException">Invalid: filter, order or token, in MLflow's words.</exception>
    public Page<TrackedRun> Find(IReadOnlyList<long> experiments, string? filter, IReadOnlyList<string> orderBy, bool? deleted, int limit, string? token) => database.Read(session =>
    {
        var search = SearchSql.Runs(filter, orderBy, session.Dialect);
        var of = $"runs {filter} {string.Join(", ", orderBy)}";
        var place = search.Keys.Place(of, token);
        experiments = Experiments.Visible(session, experiments, workspace);
        if (experiments.Count == 0) return new Page<TrackedRun>([], null);
        var rows = search.FirstMetric is null ? Generic(session, search, experiments, deleted, limit, place) : ByMetric(session, search, experiments, deleted, limit, place);
        var more = rows.Count > limit;
        if (more) rows.RemoveRange(limit, rows.Count - limit);
        var runs = rows.ConvertAll(row => row.Run);
        RunReader.Fill(session, runs);
        return new Page<TrackedRun>(runs, more ? PageOrder.Token(of, rows[^1].Keys) : null);
    });

    static List<Row> Generic(SqlSession session, SearchSql search, IReadOnlyList<long> experiments, bool? deleted, int limit, object[]? place)
    {
        Sql after = place is null ? Sql.Raw("") : search.Keys.After(place);
        return Rows(session, search, $"from run r {search.Joins} where r.experiment {Within(experiments)} {State(deleted)} {search.Where} {after}", limit);
    }

    static List<Row> ByMetric(SqlSession session, SearchSql search, IReadOnlyList<long> experiments, bool? deleted, int limit, object[]? place)
    {
        var rows = new List<Row>();
        for (var part = place is null ? 0 : (long)place[0]; part <= (search.OnlyNumbers ? 0 : 2) && rows.Count <= limit; part++)
        {
            // within a part the rank of numbers, NaN and nothing is the same for all; the rest of the keys is the order
            var keys = part == 2 ? search.Keys.Fixed(2) : search.Keys.Fixed(1, "o0.value");
            Sql after = place is null || (long)place[0] != part ? Sql.Raw("") : keys.After(place[(part == 2 ? 2 : 1)..]);
            // "o0" is the alias of the first order's table; cross join: SQLite takes the tables in this order
            Sql from = part == 2
                ? (Sql)$"from run r {search.Joins} where r.experiment {Within(experiments)} {State(deleted)} and o0.run is null {search.Where} {after} order by {keys.OrderBy}"
                : $"from run_metric o0 cross join run r {search.OtherJoins} where r.id = o0.run and o0.experiment {Within(experiments)} and o0.key = {search.FirstMetric} and o0.is_nan = {part} {State(deleted)} {search.WhereByMetric!} {after} order by {keys.OrderBy}";
            rows.AddRange(Rows(session, search, from, limit - rows.Count, ordered: true));
        }
        return rows;
    }

    static List<Row> Rows(SqlSession session, SearchSql search, Sql from, int limit, bool ordered = false) => session.Query(
        $"select {Sql.Raw(RunReader.Columns)}, {search.Keys.Columns} {from} {(ordered ? Sql.Raw("") : (Sql)$"order by {search.Keys.OrderBy}")} limit {limit + 1}",
        row => new Row(RunReader.Info(row), search.Keys.Read(row, RunReader.ColumnCount)));

    static Sql Within(IReadOnlyList<long> experiments) => experiments.Count == 1 ? (Sql)$"= {experiments[0]}" : $"in ({Sql.Join(", ", experiments.Select(e => (Sql)$"{e}"))})";

    static Sql State(bool? deleted) => deleted is { } gone ? (Sql)$"and r.lifecycle = {(gone ? "deleted" : "active")}" : Sql.Raw("");

    readonly record struct Row(TrackedRun Run, object[] Keys);
}
