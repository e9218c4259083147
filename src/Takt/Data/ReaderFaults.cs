using System.IO.Compression;
using System.Text.RegularExpressions;

namespace Takt.Data;

/// <summary>What is wrong with which data file, in words, out of the reader's error: its own goes over every option of the reader, and may not name the file.</summary>
static partial class ReaderFaults
{
    /// <summary>Null: it is no fault of a file that is known.</summary>
    /// <param name="files">Those that were read.</param>
    public static string? Of(string message, IReadOnlyList<string> files)
    {
        if (CsvLine().Match(message) is { Success: true } line && CsvFile().Match(message) is { Success: true } csv)
        {
            var where = $"{csv.Groups[1].Value.Trim()}, line {line.Groups[1].Value}: ";
            if (Fields().Match(message) is { Success: true } fields) return $"{where}it has {Count(fields.Groups[2].Value)} where the header has {fields.Groups[1].Value}";
            if (Conversion().Match(message) is { Success: true } value) return $"{where}\"{value.Groups[2].Value}\" in the column '{value.Groups[1].Value}' is no {ExpectationCheck.Word(ColumnSchema.Held(value.Groups[3].Value))}, as the values before it are";
            if (message.Contains("not utf-8", StringComparison.OrdinalIgnoreCase)) return $"{where}it is not UTF-8; save the file as UTF-8";
            if (message.Contains("unterminated quote", StringComparison.OrdinalIgnoreCase)) return $"{where}a quote is opened and not closed";
            if (message.Contains("Maximum line size", StringComparison.OrdinalIgnoreCase)) return $"{where}it is longer than 2,000,000 bytes, or a quote before it is not closed";
        }
        if (message.Contains("Error when sniffing file", StringComparison.Ordinal))
            foreach (var file in files)
                if (IsCsv(file) && File.Exists(file) && CsvFault(file) is { } fault) return $"{file}, {fault}";
        if (Parquet().Match(message) is { Success: true } parquet) return $"{parquet.Groups[1].Value}: it is no Parquet file, or was cut off";
        if (JsonLine().Match(message) is { Success: true } json) return $"{json.Groups[1].Value}, line {json.Groups[2].Value} or before it: no JSON ({json.Groups[3].Value.Trim().TrimEnd('.')})";
        if (NoGzip().Match(message) is { Success: true } gzip) return $"{gzip.Groups[1].Value}: it is not compressed as gzip, though its name says so, or damaged";
        return null;
    }

    static bool IsCsv(string file) => (Gzip.Is(file) ? file[..^3] : file) is var name && (name.EndsWith(".csv", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".tsv", StringComparison.OrdinalIgnoreCase));

    /// <summary>The first line of a CSV file that can't be: of other fields than the header, a quote that is not closed, bytes that are no text.</summary>
    static string? CsvFault(string path)
    {
        var delimiter = CsvDelimiter.Of(path);
        using Stream file = File.OpenRead(path);
        using var content = Gzip.Is(path) ? new GZipStream(file, CompressionMode.Decompress) : file;
        using var reader = new StreamReader(content);
        var (fields, header, line, began, opened, quoted, any, start) = (1, -1, 1L, 1L, 1L, false, false, true);
        while (true)
        {
            int c;
            try
            {
                c = reader.Read();
            }
            catch (InvalidDataException)
            {
                return "which is not compressed as gzip, though its name says so, or damaged";
            }
            if (c == 0) return $"line {line}: it holds bytes that are no text";
            if (quoted)
            {
                if (c < 0) return $"line {opened}: a quote is opened and not closed";
                if (c == '"' && reader.Peek() == '"') reader.Read();
                else if (c == '"') quoted = false;
                else if (c == '\n') line++;
            }
            else if (c is '\n' or < 0)
            {
                if (any && header < 0) header = fields;
                else if (any && fields != header) return $"line {began}: it has {Count($"{fields}")} where the header has {header}";
                if (c < 0) return null;
                (fields, any, start, began) = (1, false, true, ++line);
            }
            else if (c != '\r')
            {
                (quoted, opened) = c == '"' && start ? (true, line) : (false, opened);
                (any, start) = (true, c == delimiter);
                if (start) fields++;
            }
        }
    }

    static string Count(string fields) => fields == "1" ? "1 field" : $"{fields} fields";

    [GeneratedRegex(@"CSV Error on Line: (\d+)")]
    private static partial Regex CsvLine();

    [GeneratedRegex(@"^\s*file = (.+)$", RegexOptions.Multiline)]
    private static partial Regex CsvFile();

    [GeneratedRegex(@"Expected Number of Columns: (\d+) Found: (\d+)")]
    private static partial Regex Fields();

    [GeneratedRegex("Error when converting column \"(.*)\"\\. Could not convert string \"(.*)\" to '(.*)'")]
    private static partial Regex Conversion();

    [GeneratedRegex("(?:No magic bytes found at end of file |Footer length error in file |File (?='[^']+' too small to be a Parquet))'([^']+)'")]
    private static partial Regex Parquet();

    [GeneratedRegex("Malformed JSON in file \"(.+)\", at byte \\d+ in (?:line|record/value|array) (\\d+): (.*)")]
    private static partial Regex JsonLine();

    [GeneratedRegex("Input is not a GZIP stream: (.+)")]
    private static partial Regex NoGzip();
}
