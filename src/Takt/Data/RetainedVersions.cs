using System.Text.Json;
using Takt.Storage;

namespace Takt.Data;

/// <summary>
/// Which versions stay. Of a dataset without a rule: all that refs, 90 days of reflog or any row leads to, with all before them. Of one with a rule: what it says, and what
/// tags or any row names.
/// </summary>
/// <param name="All">Every commit's row.</param>
/// <param name="Kept">Those of them that stay.</param>
sealed record RetainedVersions(IReadOnlyList<StoredVersion> All, IReadOnlySet<StoredVersion> Kept)
{
    static readonly TimeSpan ReflogKept = TimeSpan.FromDays(90);

    /// <param name="named">Ids that rows of other tables name.</param>
    public static RetainedVersions Of(SqlSession session, IReadOnlySet<Digest> named, DateTimeOffset now)
    {
        var all = session.Query($"select dataset, id, tree, profile, parents, time, version, bytes, partial, dropped from dataset_commit order by dataset, version", row => new StoredVersion(
            row.Text(0), row.Digest(1), row.Digest(2), row.IsNull(3) ? null : row.Digest(3), JsonSerializer.Deserialize(row.Text(4), DataJson.Default.ListString)!.Select(Digest.Parse).ToList(),
            row.Time(5), row.Number(6), row.Number(7), row.Number(8) != 0, row.IsNull(9) ? null : row.Time(9)));
        var since = now - ReflogKept;
        var refs = session.Query($"select dataset, target, kind from dataset_ref", row => (Dataset: row.Text(0), Target: row.Digest(1), IsTag: row.Text(2) == "tag"));
        var reflog = session.Query($"select dataset, after from dataset_reflog where at >= {since} union select dataset, before from dataset_reflog where at >= {since} and before is not null", row => (Dataset: row.Text(0), Target: row.Digest(1)));
        var rules = DatasetRetention.Rules(session).ToDictionary(rule => rule.Dataset);
        var byId = all.ToDictionary(version => (version.Dataset, version.Id));
        var kept = new HashSet<StoredVersion>(ReferenceEqualityComparer.Instance);

        foreach (var version in all)
            if (named.Contains(version.Id)) Keep(version);
        foreach (var (dataset, target, isTag) in refs)
        {
            if (!byId.TryGetValue((dataset, target), out var tip)) continue;
            Keep(tip);
            if (!isTag && rules.TryGetValue(dataset, out var rule) && rule.KeepLast is { } last)
                foreach (var version in History(tip).OrderByDescending(version => version.Number).Take(last)) Keep(version);
        }
        foreach (var version in all)
            if (rules.TryGetValue(version.Dataset, out var rule) && rule.KeepFor is { } age && version.Time >= now - age) Keep(version);
        foreach (var (dataset, target) in reflog)
            if (!rules.ContainsKey(dataset) && byId.TryGetValue((dataset, target), out var version)) Keep(version);
        return new(all, kept);

        void Keep(StoredVersion version)
        {
            if (rules.ContainsKey(version.Dataset)) kept.Add(version);
            else if (!kept.Contains(version)) kept.UnionWith(History(version, kept));
        }

        // the version and all before it; what is in the set already is not walked again
        HashSet<StoredVersion> History(StoredVersion of, HashSet<StoredVersion>? without = null)
        {
            var found = new HashSet<StoredVersion>(ReferenceEqualityComparer.Instance) { of };
            var todo = new Stack<StoredVersion>([of]);
            while (todo.TryPop(out var version))
                foreach (var parent in version.Parents)
                    if (byId.TryGetValue((version.Dataset, parent), out var before) && without?.Contains(before) != true && found.Add(before)) todo.Push(before);
            return found;
        }
    }
}
