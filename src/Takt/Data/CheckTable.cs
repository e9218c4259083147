using Takt.Storage;

namespace Takt.Data;

/// <summary>The rows of checks: of each version that was let in, and of those that were refused.</summary>
static class CheckTable
{
    /// <summary>Of refused versions and repeated checks, so many are kept per dataset.</summary>
    const int Kept = 1000;

    public static void Add(SqlSession session, string dataset, Digest? commit, Digest? tree, DateTimeOffset now, CheckReport report)
    {
        session.Execute($"""
            insert into dataset_check(dataset, seq, commit_id, tree, at, failed, warned, passed, results)
            select {dataset}, coalesce(max(seq), 0) + 1, {commit?.ToString()}, {tree?.ToString()}, {now}, {report.Failed}, {report.Warned}, {report.Passed}, {report.ToJson()}
            from dataset_check where dataset = {dataset}
            """);
        session.Execute($"delete from dataset_check where dataset = {dataset} and seq <= (select max(seq) from dataset_check where dataset = {dataset}) - {Kept}");
    }

    public static List<StoredCheck> Newest(SqlSession session, string dataset, string? commit, int most) => session.Query(
        $"select seq, commit_id, at, results from dataset_check where dataset = {dataset} and ({commit} is null or commit_id = {commit}) order by seq desc limit {most}",
        row => new StoredCheck(dataset, row.Number(0), row.TextOrNull(1), row.Time(2), CheckReport.Parse(row.Text(3))));
}
