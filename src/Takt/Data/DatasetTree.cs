using System.Text.Encodings.Web;
using System.Text.Json;

namespace Takt.Data;

/// <summary>The files of one version of a dataset, by path in the order of their UTF-16 characters. Equal trees have equal ids.</summary>
/// <remarks>One JSON document, whole in memory: meant for up to some 100,000 files.</remarks>
public sealed class DatasetTree
{
    readonly byte[] _json;

    /// <exception cref="TaktException">Invalid: a path twice, or one that would leave the folder.</exception>
    public DatasetTree(IEnumerable<TreeFile> files)
    {
        Files = files.OrderBy(file => file.Path, StringComparer.Ordinal).ToList();
        for (var i = 0; i < Files.Count; i++)
        {
            var path = Files[i].Path;
            if (path.Length == 0 || path[0] == '/' || path.Split('/').Any(part => part is "" or "." or ".."))
                throw TaktException.Invalid($"'{path}' is not a path inside a dataset");
            if (i > 0 && Files[i - 1].Path == path) throw TaktException.Invalid($"two files would be '{path}' in the dataset; collect from one folder, or rename one");
        }
        _json = Write(Files);
        Id = Digest.Of(_json);
    }

    public IReadOnlyList<TreeFile> Files { get; }

    /// <summary>The SHA-256 of <see cref="Json"/>.</summary>
    public Digest Id { get; }

    public ReadOnlyMemory<byte> Json => _json;

    /// <summary>In bytes.</summary>
    public long Size => Files.Sum(file => file.Size);

    /// <summary>These files in place of those of the same path; the others stay.</summary>
    public DatasetTree With(IEnumerable<TreeFile> files)
    {
        var all = Files.ToDictionary(file => file.Path, StringComparer.Ordinal);
        foreach (var file in files) all[file.Path] = file;
        return new DatasetTree(all.Values);
    }

    /// <exception cref="TaktException">Invalid: not a tree.</exception>
    public static DatasetTree Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            using var document = JsonDocument.ParseValue(ref reader);
            return new DatasetTree(document.RootElement.GetProperty("files").EnumerateArray().Select(file => new TreeFile(
                file.GetProperty("path").GetString()!, Digest.Parse(file.GetProperty("digest").GetString()!), file.GetProperty("size").GetInt64())).ToList());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new TaktException(TaktError.Invalid, $"a dataset's list of files is damaged: {e.Message}", e);
        }
    }

    static byte[] Write(IReadOnlyList<TreeFile> files)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("files");
            foreach (var file in files)
            {
                writer.WriteStartObject();
                writer.WriteString("digest", file.Digest.ToString());
                writer.WriteString("path", file.Path);
                writer.WriteNumber("size", file.Size);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteNumber("takt", 1);
            writer.WriteEndObject();
        }
        return buffer.ToArray();
    }
}
