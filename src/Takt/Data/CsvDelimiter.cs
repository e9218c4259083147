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
        using var content = Gzip.Is(path) ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            using var reader = new StreamReader(content);
            return Of(Header(reader));
        }
        catch (InvalidDataException)
        {
            return ','; // not gzip: the scan says so
        }
    }

    /// <summary>By the first bytes of the file.</summary>
    public static char Of(ReadOnlySpan<byte> start)
    {
        using var reader = new StreamReader(new MemoryStream(start.ToArray()));
        return Of(Header(reader));
    }

    static IEnumerable<char> Header(StreamReader reader)
    {
        for (int read = 0, c; read < LongestHeader && (c = reader.Read()) >= 0; read++) yield return (char)c;
    }

    static char Of(IEnumerable<char> header)
    {
        Span<int> counts = stackalloc int[4];
        var quoted = false;
        foreach (var c in header)
        {
            if (c == '"') quoted = !quoted;
            else if (quoted) continue;
            else if (c is '\n' or '\r') break;
            else if (",;\t|".IndexOf(c) is >= 0 and var at) counts[at]++;
        }
        var best = 0;
        for (var i = 1; i < counts.Length; i++)
            if (counts[i] > counts[best]) best = i;
        return ",;\t|"[best];
    }
}
