using System.Text.RegularExpressions;
using Takt.Storage;

namespace Takt.Data;

/// <summary>
/// Which content rows refer to. Every <c>sha256:…</c> in any text column of any table counts, so that a table made tomorrow can't be forgotten; only those
/// listed here do not, each for its reason. What a row names is a version, or else a file: no row names a tree but that of its version.
/// </summary>
static partial class BlobRoots
{
    /// <summary>Tables whose ids keep nothing by themselves.</summary>
    public static readonly IReadOnlyDictionary<string, string> NotRoots = new Dictionary<string, string>
    {
        ["pack"] = "what the store has, not what is needed",
        ["blob_quarantine"] = "what is about to go",
        ["store_lease"] = "holds no ids",
        ["lease"] = "names work, no content",
        ["small_blob"] = "the bytes themselves: what names them stands elsewhere",
        ["content_md5"] = "another name of content, if it is there",
        ["file_digest"] = "stats of the work tree's files",
        ["dataset_commit"] = "kept by refs, the reflog and whatever names a version",
        ["dataset_check"] = "tells of versions, needs none",
        ["dataset_ref"] = "followed with all their history",
        ["dataset_reflog"] = "followed for 90 days",
    };

    /// <summary>All ids that the rows of other tables name.</summary>
    public static HashSet<Digest> Named(SqlSession session)
    {
        var found = new HashSet<Digest>();
        foreach (var (table, columns) in TextColumns(session))
        {
            if (NotRoots.ContainsKey(table)) continue;
            foreach (var column in columns)
            {
                var name = Sql.Raw($"\"{column}\"");
                foreach (var text in session.Query($"select {name} from {Sql.Raw($"\"{table}\"")} where {name} like '%sha256:%'", row => row.Text(0)))
                    foreach (var match in Id().EnumerateMatches(text))
                        found.Add(Digest.Parse(text.Substring(match.Index, match.Length)));
            }
        }
        return found;
    }

    public static Dictionary<string, List<string>> TextColumns(SqlSession session)
    {
        var rows = session.Dialect == SqlDialect.Sqlite
            ? session.Query($"select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table' and lower(c.type) = 'text' and m.name not like 'sqlite%'", row => (row.Text(0), row.Text(1)))
            : session.Query($"select table_name::text, column_name::text from information_schema.columns where table_schema = current_schema() and data_type = 'text'", row => (row.Text(0), row.Text(1)));
        return rows.GroupBy(row => row.Item1).ToDictionary(group => group.Key, group => group.Select(row => row.Item2).ToList());
    }

    [GeneratedRegex("sha256:[0-9a-f]{64}")]
    private static partial Regex Id();
}
