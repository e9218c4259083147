using System.Text;

namespace Takt.Runs;

/// <summary>A step's log: each line goes to the file and to whoever watches.</summary>
sealed class StageLog(string path, Action<string> line) : TextWriter
{
    readonly StreamWriter _file = new(path, append: false) { AutoFlush = true };
    readonly StringBuilder _line = new();
    readonly Lock _lock = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        lock (_lock)
        {
            if (value != '\n')
            {
                if (value != '\r') _line.Append(value);
                return;
            }
            _file.WriteLine(_line);
            line(_line.ToString());
            _line.Clear();
        }
    }

    public override void WriteLine(string? value)
    {
        Write(value);
        Write('\n');
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            if (_line.Length > 0) Write('\n');
            _file.Dispose();
        }
        base.Dispose(disposing);
    }
}
