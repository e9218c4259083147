using System.Text.Encodings.Web;
using System.Text.Json;

namespace Takt.Data;

/// <summary>One version of a dataset; it never changes.</summary>
/// <param name="Dataset">The dataset's name; not part of the id.</param>
/// <param name="Tree">The id of its <see cref="DatasetTree"/>, itself a blob.</param>
/// <param name="Parents">What it was made from; none for the first.</param>
/// <param name="Time">To the millisecond.</param>
/// <param name="Source">Where the data came from, such as the glob that was collected; may be empty.</param>
/// <param name="Files">How many.</param>
/// <param name="Bytes">Of all files.</param>
/// <param name="Rows">Of all tables among the files; null when there is none.</param>
/// <param name="Profile">The blob with the <see cref="TableProfile"/> as JSON; null when there is no table.</param>
public sealed record DatasetCommit(
    string Dataset,
    Digest Tree,
    IReadOnlyList<Digest> Parents,
    string Author,
    DateTimeOffset Time,
    string Message,
    string Source,
    long Files,
    long Bytes,
    long? Rows,
    Digest? Profile)
{
    Digest? _id;

    /// <summary>How far the source has been read, in the source's own words: a collect goes on from here, and so from an older version when the ref went back to one.</summary>
    public string? Cursor { get; init; }

    /// <summary>When garbage collection gave its files free; null: they are kept. Not part of the version.</summary>
    public DateTimeOffset? Dropped { get; init; }

    /// <exception cref="TaktException">NotFound: it was dropped.</exception>
    public DatasetCommit RequireKept() => Dropped is not { } at ? this
        : throw TaktException.NotFound($"{Reference} was dropped on {at.UtcDateTime:yyyy-MM-dd}, nothing that is kept led to it ('takt data retention {Dataset}'); its files are gone or will be soon, take another version of 'takt data log {Dataset}'");

    /// <summary>The SHA-256 of <see cref="Json"/>.</summary>
    public Digest Id => _id ??= Digest.Of(Json());

    /// <summary>The commit as canonical JSON: keys in order, no spaces; docs/formats.md.</summary>
    public byte[] Json()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteString("author", Author);
            writer.WriteNumber("bytes", Bytes);
            if (Cursor is not null) writer.WriteString("cursor", Cursor);
            writer.WriteNumber("files", Files);
            writer.WriteString("message", Message);
            writer.WriteStartArray("parents");
            foreach (var parent in Parents) writer.WriteStringValue(parent.ToString());
            writer.WriteEndArray();
            if (Profile is { } profile) writer.WriteString("profile", profile.ToString());
            if (Rows is { } rows) writer.WriteNumber("rows", rows);
            writer.WriteString("source", Source);
            writer.WriteNumber("takt", 1);
            writer.WriteNumber("time", Time.ToUnixTimeMilliseconds());
            writer.WriteString("tree", Tree.ToString());
            writer.WriteEndObject();
        }
        return buffer.ToArray();
    }

    /// <summary><c>flights@sha256:1f0c…</c>, as runs and models record it.</summary>
    public string Reference => $"{Dataset}@{Id}";
}
