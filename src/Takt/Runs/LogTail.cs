using System.Text;

namespace Takt.Runs;

/// <summary>
/// Follows the file that a command writes its output to, and hands on its lines. The command writes the file itself (ten times faster than a pipe,
/// and it survives us). Where there are secrets to mask, it writes to a file beside the log that only its owner can read, and the log gets the masked lines as they come.
/// </summary>
sealed class LogTail : IAsyncDisposable
{
    /// <summary>Behind the log's name: what a command wrote before it was masked; gone when the command has ended.</summary>
    public const string Raw = ".raw";

    /// <summary>A line that is longer, in characters, is told in parts: what is written without an end must not fill the memory, nor be looked through again with each read.</summary>
    public const int LongestLine = 1 << 20;

    static readonly TimeSpan Often = TimeSpan.FromMilliseconds(100);

    readonly IReadOnlyList<string> _secrets;
    readonly Action<string> _line;
    readonly StreamWriter? _masked;
    readonly CancellationTokenSource _stop = new();
    readonly Task _following;
    readonly StringBuilder _rest = new();
    readonly Decoder _decoder = Encoding.UTF8.GetDecoder(); // a character may lie across two reads
    long _at;

    public LogTail(string path, IReadOnlyList<string> secrets, Action<string> line)
    {
        _secrets = secrets.SelectMany(Forms).Distinct().OrderByDescending(s => s.Length).ToList();
        _line = line;
        Written = _secrets.Count > 0 ? path + Raw : path;
        File.Delete(Written);
        if (_secrets.Count > 0)
        {
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            new FileStream(Written, options).Dispose();
            _masked = new StreamWriter(path, append: false);
        }
        else File.Create(Written).Dispose();
        _following = Follow();
    }

    /// <summary>The file that the command is to write.</summary>
    public string Written { get; }

    /// <summary>The last line that was not empty.</summary>
    public string Last { get; private set; } = "";

    /// <summary>Reads to the end of the file; the command has ended.</summary>
    public async Task Finish()
    {
        await _stop.CancelAsync();
        await _following;
        await Read();
        if (_rest.Length > 0) Tell(_rest.ToString());
        _rest.Clear();
        if (_masked is not null) await _masked.FlushAsync();
    }

    async Task Follow()
    {
        try
        {
            while (true)
            {
                await Task.Delay(Often, _stop.Token);
                await Read();
            }
        }
        catch (OperationCanceledException)
        {
            // the command has ended; Finish reads the rest
        }
    }

    async Task Read()
    {
        await using var file = new FileStream(Written, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = Math.Min(_at, file.Length);
        var buffer = new byte[64 * 1024];
        var text = new char[Encoding.UTF8.GetMaxCharCount(buffer.Length)];
        for (int read; (read = await file.ReadAsync(buffer)) > 0; _at += read)
        {
            var length = _decoder.GetChars(buffer, 0, read, text, 0);
            _rest.Append(text, 0, length);
            if (text.AsSpan(0, length).IndexOf('\n') < 0)
            {
                if (_rest.Length > LongestLine) TellPart();
                continue;
            }
            var lines = _rest.ToString();
            var end = lines.LastIndexOf('\n');
            foreach (var line in lines[..end].Split('\n')) Tell(line.TrimEnd('\r'));
            _rest.Clear().Append(lines, end + 1, lines.Length - end - 1);
        }
        if (_masked is not null) await _masked.FlushAsync();
    }

    // masked before it is cut; what may be the beginning of a secret stays
    void TellPart()
    {
        var line = Mask(_rest.ToString());
        var end = Math.Max(0, line.Length - (_secrets.Count == 0 ? 0 : _secrets[0].Length - 1));
        if (end > 0 && char.IsHighSurrogate(line[end - 1])) end--;
        Tell(line[..end]);
        _rest.Clear().Append(line, end, line.Length - end);
    }

    void Tell(string line)
    {
        line = Mask(line);
        if (line.Length > 0) Last = line;
        _masked?.Write(line + "\n");
        _line(line);
    }

    string Mask(string text)
    {
        foreach (var secret in _secrets) text = text.Replace(secret, "***", StringComparison.Ordinal);
        return text;
    }

    /// <summary>As it is, in base64, in a URL, and each of its lines.</summary>
    static IEnumerable<string> Forms(string secret) =>
        new[] { secret, Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)), Uri.EscapeDataString(secret) }.Concat(secret.Split('\n')).Where(s => s.Length >= 4);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following;
        _stop.Dispose();
        if (_masked is null) return;
        await Read(); // of a command that was cancelled, too, the log has all that it said
        if (_rest.Length > 0) Tell(_rest.ToString());
        await _masked.DisposeAsync();
        File.Delete(Written);
    }
}
