using Takt.Storage;

namespace Takt.Data;

/// <summary>The retention rules of datasets. Without one, every version that a ref leads to is kept for ever.</summary>
public sealed class DatasetRetention(Database database, TimeProvider time)
{
    const string OfProject = "takt.yaml";

    public IReadOnlyList<RetentionRule> List() => database.Read(Rules);

    /// <exception cref="TaktException">Invalid: a rule that says nothing, or keeps nothing. NotFound: no such dataset.</exception>
    public Task Set(RetentionRule rule)
    {
        if (rule is { KeepLast: null, KeepFor: null }) throw TaktException.Invalid($"{rule.Dataset}: a rule says how many versions it keeps, for how long, or both");
        if (rule.KeepLast < 1) throw TaktException.Invalid($"{rule.Dataset}: {rule.KeepLast} versions to keep; the least is 1");
        var (forMs, now, origin) = ((long?)rule.KeepFor?.TotalMilliseconds, time.GetUtcNow(), rule.IsOfProject ? OfProject : "");
        return database.Write(session =>
        {
            if (DatasetTable.Refs(session, rule.Dataset).Count == 0) throw TaktException.NotFound($"no dataset '{rule.Dataset}'; see 'takt data list'");
            session.Execute($"""
                insert into dataset_retention(dataset, keep_last, keep_for, set_at, origin) values({rule.Dataset}, {(long?)rule.KeepLast}, {forMs}, {now}, {origin})
                on conflict (dataset) do update set keep_last = excluded.keep_last, keep_for = excluded.keep_for, set_at = excluded.set_at, origin = excluded.origin
                """);
        });
    }

    /// <summary>What the project file says of a dataset, now: its rule, or none, which takes back the one that it had said before. A rule that was set by hand stays where it says none.</summary>
    public async Task Declare(string dataset, RetentionRule? rule)
    {
        var now = List().FirstOrDefault(one => one.Dataset == dataset);
        if (rule is not null && now != rule) await Set(rule);
        else if (rule is null && now is { IsOfProject: true }) await Remove(dataset);
    }

    /// <summary>From now on all is kept; what was dropped does not come back.</summary>
    public Task Remove(string dataset) => database.Write(session =>
    {
        if (session.Execute($"delete from dataset_retention where dataset = {dataset}") == 0) throw TaktException.NotFound($"'{dataset}' has no retention rule");
    });

    internal static List<RetentionRule> Rules(SqlSession session) => session.Query($"select dataset, keep_last, keep_for, origin from dataset_retention order by dataset",
        row => new RetentionRule(row.Text(0), (int?)row.NumberOrNull(1), row.NumberOrNull(2) is { } ms ? TimeSpan.FromMilliseconds(ms) : null) { IsOfProject = row.Text(3) == OfProject });
}
