using Takt.Storage;

namespace Takt.Runs;

/// <summary>The list of experiments, for people to look through.</summary>
public sealed class ExperimentGrid(Database database, Workspace workspace = default)
{
    public ExperimentGrid In(Workspace other) => other == workspace ? this : new(database, other);

    /// <summary>The active ones, that with the newest run first.</summary>
    /// <param name="find">Part of the name, in any case; null: all.</param>
    public IReadOnlyList<ExperimentRow> List(string? find, int limit, int offset = 0) => database.Read(session =>
    {
        Sql named = string.IsNullOrEmpty(find) ? Sql.Raw("") : $"and lower(e.name) like {"%" + find.ToLowerInvariant().Replace("!", "!!").Replace("%", "!%").Replace("_", "!_") + "%"} escape '!'";
        return session.Query($"""
            select e.id, e.name, count(r.id), max(r.started), e.updated from experiment e left join run r on r.experiment = e.id and r.lifecycle = 'active'
            where e.workspace = {workspace} and e.lifecycle = 'active' {named} group by e.id, e.name, e.updated
            order by coalesce(max(r.started), 0) desc, e.id limit {limit} offset {offset}
            """, Row);
    });

    /// <summary>The active ones without a count of their runs, the newest first: for a choice on every page, whatever the number of runs.</summary>
    public IReadOnlyList<ExperimentRow> Choice(int limit) => database.Read(session =>
        session.Query($"{Sql.Raw(One)} where e.workspace = {workspace} and e.lifecycle = 'active' order by e.id desc limit {limit}", Row));

    /// <summary>By id, else by name; null when there is none. The deleted are found as well.</summary>
    public ExperimentRow? Find(string text) => database.Read(session =>
        (long.TryParse(text, out var id) ? session.First($"{Sql.Raw(One)} where e.workspace = {workspace} and e.id = {id}", Row) : null)
            ?? session.First($"{Sql.Raw(One)} where e.workspace = {workspace} and e.name = {text}", Row));

    const string One = "select e.id, e.name, 0, null, e.updated from experiment e";

    static ExperimentRow Row(SqlRow row) => new(row.Number(0), row.Text(1), row.Number(2), row.NumberOrNull(3), row.Time(4));
}
