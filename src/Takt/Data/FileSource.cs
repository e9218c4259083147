using Takt.Storage;

namespace Takt.Data;

/// <summary>Files, folders and globs of this machine: each file that matches, as it is.</summary>
public sealed class FileSource : ISource
{
    public IReadOnlyList<string> Prefixes => [];

    public IReadOnlyList<string> Settings => [];

    public bool GivesRows => false;

    public Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel)
    {
        var address = request.Address;
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        var start = Path.GetFullPath(Path.Combine(request.Folder, Directory.Exists(Path.Combine(request.Folder, address)) ? address : Glob.FixedFolder(address)));
        foreach (var file in Glob.Find(request.Folder, address))
        {
            if (request.IsBackfill && !Covers(request.Range, File.GetLastWriteTimeUtc(file))) continue;
            files[Path.GetRelativePath(start, file).Replace('\\', '/')] = file;
        }
        return Task.FromResult(new SourceBatch(files, null));
    }

    /// <summary>Whether a time lies in a range of times.</summary>
    /// <exception cref="TaktException">Invalid: a bound is no time.</exception>
    public static bool Covers((string? From, string? To) range, DateTime time) => !(Time(range.From) is { } from && time < from) && !(Time(range.To) is { } to && time >= to);

    static DateTime? Time(string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time.UtcDateTime
        : throw TaktException.Invalid($"'{text}' is no time; write 2001-01-31 or 2001-01-31T12:00:00Z");
}
