namespace Takt.Pipelines;

/// <summary>Every fault of one file, each at its line and column (from 1), told together.</summary>
sealed class Faults(string file)
{
    readonly List<(long Line, long Column, string Message)> _found = [];

    public bool Any => _found.Count > 0;

    public void Add(long line, long column, string message)
    {
        if (!_found.Contains((line, column, message))) _found.Add((line, column, message));
    }

    /// <exception cref="TaktException">Invalid, with every fault as <c>FILE:LINE:COLUMN: message</c> in the order of the file; nothing when there is none.</exception>
    public void Throw()
    {
        if (_found.Count > 0)
            throw new TaktException(TaktError.Invalid, _found.Order().Select(f => $"{file}:{f.Line}:{f.Column}: {f.Message}").ToList());
    }
}
