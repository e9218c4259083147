using System.IO.Compression;

namespace Takt.Data;

/// <summary>What parts the fields of a CSV file: the most frequent of <c>,</c> <c>;</c> tab <c>|</c> outside quotes in its header line.</summary>
static class CsvDelimiter
{
    const int LongestHeader = 1 << 20;

    public static char Of(string path)
    {
        if (!File.Exists(path)) return ',';
        using Stream file = File.OpenRead(path);
        using var content = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress) : file;
        Span<int> counts = stackalloc int[4];
        var quoted = false;
        try
        {
            using var reader = new StreamReader(content);
            for (int read = 0, c; read < LongestHeader && (c = reader.Read()) >= 0; read++)
            {
                if (c == '"') quoted = !quoted;
                else if (quoted) continue;
                else if (c is '\n' or '\r') break;
                else if (",;\t|".IndexOf((char)c) is >= 0 and var at) counts[at]++;
            }
        }
        catch (InvalidDataException)
        {
            return ','; // not gzip: the scan says so
        }
        var best = 0;
        for (var i = 1; i < counts.Length; i++)
            if (counts[i] > counts[best]) best = i;
        return ",;\t|"[best];
    }
}
