using System.Globalization;
using System.Text;
using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Columns with what may not be kept, changed before anything is stored: dropped, cut, or replaced by a keyed hash that still joins.</summary>
static class ColumnMask
{
    /// <summary>HMAC's block size for SHA-256 (RFC 2104).</summary>
    const int Block = 64;

    /// <summary>The tables among the files, masked, as files of the same kind.</summary>
    /// <exception cref="TaktException">Invalid: a column is not there (it may have been renamed, and would slip through), the key has no value.</exception>
    public static Dictionary<string, string> Apply(IReadOnlyDictionary<string, string> files, CollectRequest request, string folder, CancellationToken cancel)
    {
        Directory.CreateDirectory(folder);
        var masked = new Dictionary<string, string>(StringComparer.Ordinal);
        using var connection = DuckDb.Open(threads: 1);
        if (request.Mask.Values.Any(how => how == "hash")) Keys(connection, Secrets.Value(request.MaskKey ?? throw TaktException.Invalid($"{request.Dataset}: mask: hash needs mask-key, the name of a secret")));
        foreach (var (path, file) in files)
        {
            if (!DuckDb.CanRead(path)) throw TaktException.Invalid($"{request.Dataset}: '{path}' is no table, so its columns can't be masked; take it out of the source");
            var columns = DuckDb.Guard(path, () => Tables.Schema(connection, DuckDb.Scan([file]))).Select(c => c.Name).ToList();
            var gone = request.Mask.Keys.Except(columns, StringComparer.Ordinal).ToList();
            if (gone.Count > 0) throw TaktException.Invalid($"{request.Dataset}: no column '{string.Join("', '", gone)}' in {path} to be masked; there are: {string.Join(", ", columns)}");
            var kept = columns.Where(c => request.Mask.GetValueOrDefault(c) != "drop").ToList();
            if (kept.Count == 0) throw TaktException.Invalid($"{request.Dataset}: every column of {path} would be dropped");
            var select = $"select {string.Join(", ", kept.Select(c => request.Mask.TryGetValue(c, out var how) ? $"{Masked(DuckDb.Name(c), how)} as {DuckDb.Name(c)}" : DuckDb.Name(c)))} from {DuckDb.Scan([file])}";
            var plain = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path;
            var ending = Path.GetExtension(plain).ToLowerInvariant() switch { ".parquet" => ".parquet", ".csv" or ".tsv" => ".csv", _ => ".jsonl" };
            var target = Path.Combine(folder, $"{masked.Count}{ending}");
            DuckDb.Guard(path, () => Tables.WriteFile(connection, select, target, null, cancel));
            masked[Path.ChangeExtension(plain, ending)] = target;
        }
        return masked;
    }

    static string Masked(string name, string how) => how == "hash"
        // HMAC(K, m) = H(K ⊕ opad ‖ H(K ⊕ ipad ‖ m)), RFC 2104; the key stands in a table, so that no error can show it
        ? $"case when {name} is not null then sha256((select o from \"takt key\") || unhex(sha256((select i from \"takt key\") || encode({name}::varchar)))) end"
        : $"left({name}::varchar, {int.Parse(how["truncate ".Length..], CultureInfo.InvariantCulture)})";

    static void Keys(DuckDBConnection connection, string secret)
    {
        var key = Encoding.UTF8.GetBytes(secret);
        if (key.Length > Block) key = System.Security.Cryptography.SHA256.HashData(key);
        var (inner, outer) = (new byte[Block], new byte[Block]);
        for (var i = 0; i < Block; i++) (inner[i], outer[i]) = ((byte)((i < key.Length ? key[i] : 0) ^ 0x36), (byte)((i < key.Length ? key[i] : 0) ^ 0x5c));
        DuckDb.Execute(connection, "create temp table \"takt key\"(i blob, o blob)");
        using var command = connection.CreateCommand();
        command.CommandText = "insert into \"takt key\" values ($1, $2)";
        command.Parameters.Add(new DuckDBParameter(inner));
        command.Parameters.Add(new DuckDBParameter(outer));
        command.ExecuteNonQuery();
    }
}
