using System.Text.Json;

namespace Takt.Data.Remotes;

/// <summary>A commit out of its canonical JSON.</summary>
static class CommitText
{
    /// <exception cref="TaktException">Invalid: it is not a commit, or not the one of this id.</exception>
    public static DatasetCommit Parse(string dataset, ReadOnlyMemory<byte> json, Digest? expected = null)
    {
        DatasetCommit commit;
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            commit = new DatasetCommit(dataset, Digest.Parse(root.GetProperty("tree").GetString()!), root.GetProperty("parents").EnumerateArray().Select(parent => Digest.Parse(parent.GetString()!)).ToList(),
                root.GetProperty("author").GetString()!, DateTimeOffset.FromUnixTimeMilliseconds(root.GetProperty("time").GetInt64()), root.GetProperty("message").GetString()!, root.GetProperty("source").GetString()!,
                root.GetProperty("files").GetInt64(), root.GetProperty("bytes").GetInt64(), root.TryGetProperty("rows", out var rows) ? rows.GetInt64() : null,
                root.TryGetProperty("profile", out var profile) ? Digest.Parse(profile.GetString()!) : null)
            { Cursor = root.TryGetProperty("cursor", out var cursor) ? cursor.GetString() : null };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException or TaktException)
        {
            throw TaktException.Invalid($"{expected?.ToString() ?? "what came"} is not a version of '{dataset}'");
        }
        if (!commit.Json().AsSpan().SequenceEqual(json.Span) || (expected is { } id && commit.Id != id)) throw TaktException.Invalid($"{expected?.ToString() ?? "what came"} is other content than its id says");
        return commit;
    }
}
