namespace Takt.Storage;

/// <summary>What the operating system says about a file, in words that tell what to do.</summary>
public static class StorageFaults
{
    const int NoSpace = 28, QuotaExceeded = 122, FileTooLarge = 27, ReadOnlyFileSystem = 30; // errno on Linux
    const int Exists = 17, NotAFolder = 20;
    const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>The error to show for a failed write to <paramref name="path"/>; null when it is none of those known.</summary>
    public static TaktException? Of(Exception error, string path) => error switch
    {
        IOException { HResult: NoSpace or WindowsDiskFull } => DiskFull(path, error),
        IOException { HResult: QuotaExceeded } => new(TaktError.Unavailable, $"the disk quota is used up, writing '{path}'; free some space and try again", error),
        IOException { HResult: FileTooLarge } => new(TaktError.TooLarge, $"'{path}' grew beyond the largest file allowed here (ulimit -f)", error),
        IOException { HResult: ReadOnlyFileSystem } => new(TaktError.Denied, $"'{path}' is on a read-only file system; point TAKT_HOME to a folder that can be written", error),
        IOException { HResult: Exists or NotAFolder } => new(TaktError.Invalid, $"'{path}' can't be made: a file stands where a folder is needed", error),
        UnauthorizedAccessException => new(TaktError.Denied, $"'{path}' can't be written; check who owns it and its permissions", error),
        _ => null,
    };

    /// <summary>The message of an error that names a file as .NET does, in our words where those tell more.</summary>
    public static string InWords(Exception error)
    {
        var (quote, end) = (error.Message.IndexOf('\'', StringComparison.Ordinal), error.Message.LastIndexOf('\''));
        if (error is TaktException || end <= quote) return error.Message;
        var path = error.Message[(quote + 1)..end];
        return error switch
        {
            UnauthorizedAccessException when Directory.Exists(path) => $"the folder '{path}' may not be used by {Environment.UserName}; {Remedy}",
            UnauthorizedAccessException => $"'{path}' may not be {(File.Exists(path) ? "read or written" : "made")} by {Environment.UserName}; {Remedy}",
            _ => Of(error, path)?.Message ?? error.Message,
        };
    }

    const string Remedy = "give it to this user (ls -l tells whose it is, chown and chmod change that), or work in a folder of your own";

    public static TaktException DiskFull(string path, Exception? error) =>
        new(TaktError.Unavailable, $"disk full, writing '{path}'; free some space and try again", error);
}
