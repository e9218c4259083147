using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Takt.Storage.Sqlite;

/// <summary>SQLite's result codes (sqlite.org/rescode.html) that the user can do something about, in words that tell what.</summary>
static class SqliteFaults
{
    const int Permission = 3, Busy = 5, Locked = 6, ReadOnly = 8, InputOutput = 10, Corrupt = 11, Full = 13, CantOpen = 14, NotADatabase = 26;

    /// <returns>Null: a bug, such as wrong SQL or a broken constraint.</returns>
    public static TaktException? Explain(string path, DbException error) => error is not SqliteException sqlite ? null : sqlite.SqliteErrorCode switch
    {
        Full => StorageFaults.DiskFull(path, error),
        Busy or Locked => new(TaktError.Unavailable, $"another process has held '{path}' for {SqliteFile.BusySeconds} s; see who with 'fuser {path}', and try again", error),
        ReadOnly or Permission => new(TaktError.Denied, $"'{path}' can't be written; check who owns it, its permissions and those of its folder", error),
        CantOpen => new(TaktError.Denied, $"'{path}' can't be opened; check the permissions of the file and of its folder", error),
        Corrupt => new(TaktError.Invalid, $"'{path}' is damaged ({error.Message}); stop Takt, keep a copy, and restore a backup or rescue it with 'sqlite3 {path} .recover'", error),
        NotADatabase => new(TaktError.Invalid, $"'{path}' is not a SQLite database; move it away, or set TAKT_HOME to another folder", error),
        InputOutput => new(TaktError.Unavailable, $"the disk failed while using '{path}' (SQLite error {sqlite.SqliteExtendedErrorCode}); check the disk and the system's log", error),
        _ => null,
    };
}
