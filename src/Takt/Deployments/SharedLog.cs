using DuckDB.NET.Data;
using Takt.Data;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>The prediction logs of all servers on one database: segments in the store, and rows that name them.</summary>
/// <remarks>
/// Each server publishes and merges its own segments only, so that nobody waits for anybody. A merge is one transaction; what it took away stays readable in the store until the garbage collection's grace is over.
/// Safe for concurrent use.
/// </remarks>
/// <param name="server">This server's name; the same after a restart.</param>
public sealed class SharedLog(Database database, IBlobStore store, string server, TimeProvider time)
{
    /// <summary>So many small segments of one server in a row are merged.</summary>
    internal const int MergeAt = 16;
    const long Small = 8 << 20;
    const long MostMerged = 64 << 20;
    const int AtOnce = 8;

    /// <summary>A writer that comes back after longer may add once more what was merged meanwhile.</summary>
    static readonly TimeSpan NamesKept = TimeSpan.FromDays(90);

    /// <summary>Endpoints of which somebody has written something.</summary>
    public IReadOnlyList<string> Endpoints() => database.Read(session => session.Query($"select distinct endpoint from prediction_segment order by endpoint", row => row.Text(0)));

    /// <summary>What all servers have published of the endpoint, in the order of writing, and which of the names given are among it or were.</summary>
    internal (IReadOnlyList<SharedSegment> Segments, IReadOnlySet<string> Known) Find(string endpoint, IReadOnlyList<string> names) => database.Read(session =>
    {
        var segments = session.Query($"""
            select name, server, kind, digest, bytes, rows, received_from, received_to, time_from, time_to from prediction_segment
            where endpoint = {endpoint} and digest is not null order by name
            """, row => new SharedSegment(endpoint, row.Text(0), row.Text(1), row.Text(2), row.Digest(3), row.Number(4), row.Number(5), (row.Time(6), row.Time(7)), (row.Time(8), row.Time(9))));
        var known = segments.Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in names)
            if (!known.Contains(name) && session.Number($"select 1 from prediction_segment where endpoint = {endpoint} and name = {name}") is not null) known.Add(name);
        return (segments, (IReadOnlySet<string>)known);
    });

    /// <summary>Local files with the segments' rows, fetched where they are not here yet.</summary>
    /// <exception cref="TaktException">Unavailable: the store can't be reached.</exception>
    internal async Task<List<(string Name, string File)>> Fetch(IReadOnlyList<SharedSegment> segments, CancellationToken cancel)
    {
        var files = new (string, string)[segments.Count];
        await Parallel.ForEachAsync(Enumerable.Range(0, files.Length), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel },
            async (i, stop) => files[i] = (segments[i].Name, await store.LocalFile(segments[i].Digest, stop)));
        return [.. files];
    }

    /// <summary>Gives a finished file to all servers. Nothing happens when its name was published before.</summary>
    /// <exception cref="TaktException">Unavailable: the store or the database can't be reached; nothing is visible then.</exception>
    internal async Task Publish(string endpoint, string path, CancellationToken cancel = default)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        if (Find(endpoint, [name]).Known.Contains(name)) return;
        var segment = await Store(endpoint, name, path, cancel);
        CrashPoint.Pass("log.stored");
        await database.Write(session => Insert(session, segment));
        CrashPoint.Pass("log.published");
    }

    async Task<SharedSegment> Store(string endpoint, string name, string path, CancellationToken cancel)
    {
        var (kind, rows, received, time) = SegmentFacts.Of([path])[0];
        await using var content = File.OpenRead(path);
        var blob = await store.Put(content, cancel);
        return new SharedSegment(endpoint, name, server, kind, blob.Id, blob.Length, rows, received, time);
    }

    int Insert(SqlSession session, SharedSegment s) => session.Execute($"""
        insert into prediction_segment(endpoint, name, server, kind, digest, bytes, rows, received_from, received_to, time_from, time_to, created)
        values({s.Endpoint}, {s.Name}, {s.Server}, {s.Kind}, {s.Digest}, {s.Bytes}, {s.Rows}, {s.Received.From}, {s.Received.To}, {s.Time.From}, {s.Time.To}, {time.GetUtcNow()})
        on conflict(endpoint, name) do nothing
        """);

    /// <summary>Makes one of this server's small segments, where there are enough of them, under the last one's name.</summary>
    internal async Task Merge(string endpoint, string scratch, CancellationToken cancel = default)
    {
        foreach (var kind in SegmentFacts.Kinds)
        {
            var run = Run(Find(endpoint, []).Segments.Where(s => s.Server == server && s.Kind == kind));
            if (run.Count < MergeAt) continue;
            var files = await Fetch(run, cancel);
            // only what has the first one's columns: within one file all rows have the same
            using (var connection = DuckDb.Open(threads: 1))
            {
                string Columns(string file) => string.Join('|', Tables.Schema(connection, $"read_parquet({DuckDb.Text(file)})").Select(c => $"{c.Name} {c.Type}"));
                var first = Columns(files[0].File);
                var alike = 1;
                while (alike < files.Count && Columns(files[alike].File) == first) alike++;
                (run, files) = (run[..alike], files[..alike]);
                if (run.Count < 2) continue;
                Directory.CreateDirectory(scratch);
                Tables.WriteParquet(connection, $"select * from read_parquet([{string.Join(", ", files.Select(f => DuckDb.Text(f.File)))}]){Segments.Order(kind)}", Path.Combine(scratch, run[^1].Name + ".parquet"), null, cancel, SegmentWriter.RowsOfGroup);
            }
            var whole = Path.Combine(scratch, run[^1].Name + ".parquet");
            var merged = await Store(endpoint, run[^1].Name, whole, cancel);
            File.Delete(whole);
            CrashPoint.Pass("log.merged");
            await database.Write(session =>
            {
                foreach (var old in run) session.Execute($"update prediction_segment set digest = {(string?)null} where endpoint = {endpoint} and name = {old.Name}");
                session.Execute($"""
                    update prediction_segment set digest = {merged.Digest}, bytes = {merged.Bytes}, rows = {merged.Rows}, received_from = {merged.Received.From}, received_to = {merged.Received.To},
                      time_from = {merged.Time.From}, time_to = {merged.Time.To} where endpoint = {endpoint} and name = {merged.Name}
                    """);
                session.Execute($"delete from prediction_segment where endpoint = {endpoint} and digest is null and created < {time.GetUtcNow() - NamesKept}");
            });
        }
    }

    static List<SharedSegment> Run(IEnumerable<SharedSegment> segments)
    {
        var (run, bytes) = (new List<SharedSegment>(), 0L);
        foreach (var segment in segments)
        {
            if (segment.Bytes >= Small || bytes + segment.Bytes > MostMerged)
            {
                if (run.Count >= MergeAt) return run;
                (run, bytes) = ([], 0);
                if (segment.Bytes >= Small) continue;
            }
            run.Add(segment);
            bytes += segment.Bytes;
        }
        return run;
    }
}
