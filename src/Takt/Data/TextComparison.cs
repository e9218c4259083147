using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>
/// CSV or JSON lines of two versions, compared as bytes first: rows whose bytes are equal hold equal values and need no parser, chunks that both have are read once.
/// Only the rows that are left go to SQL, with the types of the whole. Where it is in doubt whether that gives the same answer, the caller goes the plain way.
/// </summary>
/// <remarks>
/// What it rests on: both sides have equal columns of equal types; each byte of both was scanned for where rows end; a key is unique in both, which their profiles
/// know. Then rows that are taken away in pairs change nothing but the count of equal rows.
/// </remarks>
/// <param name="profiles">Of the whole versions.</param>
sealed class TextComparison(BlobReader blobs, string folder, DiffOptions options, (TableProfile? Before, TableProfile? Now) profiles) : IDisposable
{
    /// <summary>Rows that tell the types: the reader samples 20,480.</summary>
    const int HeadRows = 32_768;

    const int MostFiles = 32;

    readonly List<TextRows> _files = [];

    /// <summary>What is left to compare, and how many rows are equal; null: in doubt.</summary>
    /// <exception cref="OperationCanceledException">Of <paramref name="cancel"/>.</exception>
    public (RowSide Before, RowSide Now, long Equal)? Run(IReadOnlyList<TreeFile> before, IReadOnlyList<TreeFile> now, CancellationToken cancel)
    {
        var all = before.Concat(now).ToList();
        var bytes = all.Sum(file => file.Size);
        var most = options.Limits.Memory > 0 ? options.Limits.Memory : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;
        if (before.Count is 0 or > MostFiles || now.Count is 0 or > MostFiles || bytes < options.TextFrom || bytes > most) return null;
        if (Format(all[0]) is not { } format || all.Any(file => Format(file) != format)) return null;
        var (a, b) = (before.Select(Room).ToList(), now.Select(Room).ToList());
        if (!TryFill(before.Zip(a).Concat(now.Zip(b)), cancel)) return null;
        var delimiter = format == ".jsonl" ? '\0' : CsvDelimiter.Of(a[0].Part(0, (int)Math.Min(a[0].Length, 1 << 20)));
        if (delimiter != '\0' && _files.Any(file => CsvDelimiter.Of(file.Part(0, (int)Math.Min(file.Length, 1 << 20))) != delimiter)) return null;
        var whole = true;
        Parallel.ForEach(_files, file =>
        {
            if (!file.TryRead(delimiter)) Volatile.Write(ref whole, false);
        });
        if (!whole || _files.Any(file => file.Shape.Returns != _files[0].Shape.Returns)) return null;
        var typing = Task.Run(() => Types(delimiter), cancel);
        var aligned = Aligned(a, b, cancel);
        var (leftA, leftB) = RowCancellation.Of(aligned.A, aligned.B, cancel);
        if (typing.GetAwaiter().GetResult() is not { } types) return null;
        return (Side("a", leftA, a[0]), Side("b", leftB, b[0]), a.Sum(file => file.Shape.Rows) - leftA.Count);

        RowSide Side(string name, List<RowText> left, TextRows first)
        {
            if (left.Count == 0) return new RowSide([], []) { Schema = types };
            var path = Path.Combine(folder, name + format);
            Write(path, first, left);
            return new RowSide([path], [path]) { Schema = types, Scan = Scan(path, types, delimiter) };
        }
    }

    static string? Format(TreeFile file) => Path.GetExtension(file.Path).ToLowerInvariant() switch { ".csv" or ".tsv" => ".csv", ".jsonl" or ".ndjson" => ".jsonl", _ => null };

    TextRows Room(TreeFile file)
    {
        var rows = new TextRows(file.Path, file.Size);
        _files.Add(rows);
        return rows;
    }

    // chunks on all cores, each once: what a version shares with the other is copied
    bool TryFill(IEnumerable<(TreeFile File, TextRows Rows)> files, CancellationToken cancel)
    {
        var places = new Dictionary<ContentId, int>();
        var read = new List<(ContentId Id, TextRows Rows, long At, int Length)>();
        var copied = new List<(int From, TextRows Rows, long At)>();
        try
        {
            foreach (var (file, rows) in files)
            {
                var id = ContentId.From(file.Digest);
                if (blobs.Find(id) is not { } hit) return false;
                var at = 0L;
                foreach (var (chunk, length) in hit.Entry.Kind == RecordKind.Bytes ? [(id, (long)hit.Entry.Length)] : blobs.Chunks(ChunkList.Parse(hit.Read(), id)))
                {
                    if (at + length > file.Size) return false;
                    if (places.TryAdd(chunk, read.Count)) read.Add((chunk, rows, at, (int)length));
                    else copied.Add((places[chunk], rows, at));
                    at += length;
                }
                if (at != file.Size) return false;
            }
            var cores = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancel };
            Parallel.ForEach(read, cores, piece => blobs.Read(piece.Id, piece.Rows.Part(piece.At, piece.Length)));
            Parallel.ForEach(copied, cores, piece => read[piece.From].Rows.Part(read[piece.From].At, read[piece.From].Length).CopyTo(piece.Rows.Part(piece.At, read[piece.From].Length)));
            return true;
        }
        catch (Exception e) when (e is TaktException or AggregateException { InnerException: TaktException })
        {
            return false; // damaged or lost: the plain way names the file
        }
    }

    static (List<RowText> A, List<RowText> B) Aligned(List<TextRows> a, List<TextRows> b, CancellationToken cancel)
    {
        var others = b.ToDictionary(file => file.Path, StringComparer.Ordinal);
        var pairs = a.Select(file => (A: (TextRows?)file, B: others.Remove(file.Path, out var other) ? other : null)).Concat(others.Values.Select(file => (A: (TextRows?)null, B: (TextRows?)file))).ToList();
        var aligned = new RowAlignment[pairs.Count];
        Parallel.For(0, pairs.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            var one = aligned[i] = new RowAlignment();
            if (pairs[i] is { A: { } left, B: { } right }) one.Align(left, right, cancel);
            else if (pairs[i].A is { } gone) RowAlignment.Rest(gone, one.LeftA, cancel);
            else RowAlignment.Rest(pairs[i].B!, one.LeftB, cancel);
        });
        return aligned.Length == 1 ? (aligned[0].LeftA, aligned[0].LeftB) : (aligned.SelectMany(one => one.LeftA).ToList(), aligned.SelectMany(one => one.LeftB).ToList());
    }

    /// <summary>The columns, when every file's beginning has the same and reading them as these, rather than by guess, changes nothing.</summary>
    List<ColumnSchema>? Types(char delimiter)
    {
        using var connection = DuckDb.Open();
        List<ColumnSchema>? types = null;
        for (var i = 0; i < _files.Count; i++)
        {
            var head = Path.Combine(folder, $"head{i}{(delimiter == '\0' ? ".jsonl" : ".csv")}");
            WriteHead(_files[i], head);
            try
            {
                var these = Tables.Schema(connection, DuckDb.Scan([head])).ToList();
                if (types is not null && !types.SequenceEqual(these)) return null;
                types = these;
                if (delimiter == '\0' && types is [{ Name: "json" }]) return null;
                // another file of the version may make a column text, and then 1 and 01 are two values
                if (!Are(types, profiles.Before) || !Are(types, profiles.Now)) return null;
                // the guess may have found a date format of its own
                if (types.Any(column => column.Stored.Contains("DATE", StringComparison.Ordinal) || column.Stored.Contains("TIME", StringComparison.Ordinal)) && Differs(connection, DuckDb.Scan([head]), Scan(head, types, delimiter))) return null;
            }
            catch (DuckDB.NET.Data.DuckDBException)
            {
                return null;
            }
            finally
            {
                File.Delete(head);
            }
        }
        return types;
    }

    static bool Are(List<ColumnSchema> types, TableProfile? profile) =>
        profile is not null && types.Select(column => (column.Name, column.Type)).SequenceEqual(profile.Columns.Select(column => (column.Name, column.Type)));

    static bool Differs(DuckDB.NET.Data.DuckDBConnection connection, string one, string other)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"select exists(select * from {one} except all select * from {other})";
        return (bool)command.ExecuteScalar()!;
    }

    static string Scan(string file, IReadOnlyList<ColumnSchema> types, char delimiter)
    {
        var columns = $"auto_detect = false, columns = {{{string.Join(", ", types.Select(column => $"{DuckDb.Text(column.Name)}: {DuckDb.Text(column.Stored)}"))}}}";
        return delimiter == '\0'
            ? $"read_json([{DuckDb.Text(file)}], format = 'newline_delimited', {columns})"
            : $"read_csv([{DuckDb.Text(file)}], {DuckDb.CsvOptions(delimiter)}, {columns})";
    }

    static unsafe void WriteHead(TextRows file, string path)
    {
        var end = file.Body;
        for (var i = 0; i < HeadRows && end < file.End; i++) end = file.RowEnd(end);
        using var head = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.Write(head, file.Part(0, checked((int)(end - file.Start))), 0);
    }

    // all lines end with LF: a last one may have come without
    static unsafe void Write(string path, TextRows first, List<RowText> rows)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
        if (first.Body > first.Start) Line(first.Part(0, checked((int)(first.Body - first.Start))));
        foreach (var row in rows) Line(row.Bytes);

        void Line(ReadOnlySpan<byte> line)
        {
            file.Write(first.Shape.Returns ? line[..^1].TrimEnd((byte)'\r') : line[..^1]);
            file.WriteByte((byte)'\n');
        }
    }

    public void Dispose()
    {
        foreach (var file in _files) file.Dispose();
    }
}
