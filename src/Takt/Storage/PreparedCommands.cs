using System.Data.Common;

namespace Takt.Storage;

/// <summary>Commands of one connection kept by their text, so that SQL that comes again is not parsed again.</summary>
sealed class PreparedCommands : IDisposable
{
    /// <summary>Texts that vary without end (lists of values) must not pile up.</summary>
    const int Most = 200;

    readonly Dictionary<string, DbCommand> _idle = new(StringComparer.Ordinal);

    /// <summary>Takes the command out: SQL that runs itself again while its rows are read gets a second one.</summary>
    public DbCommand? Take(string text) => _idle.Remove(text, out var command) ? command : null;

    public void GiveBack(DbCommand command)
    {
        if (_idle.Count >= Most) Dispose(); // what is used often is soon back
        if (!_idle.TryAdd(command.CommandText, command)) command.Dispose();
    }

    public void Dispose()
    {
        foreach (var command in _idle.Values) command.Dispose();
        _idle.Clear();
    }
}
