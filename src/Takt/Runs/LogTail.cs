using System.Text;

namespace Takt.Runs;

/// <summary>
/// Follows the file that a command writes its output to, and hands on its lines. The command writes the file itself (ten times faster than a pipe,
/// and it survives us); secrets are masked in what is handed on, and in the file once the command has ended.
/// </summary>
sealed class LogTail : IAsyncDisposable
{
    static readonly TimeSpan Often = TimeSpan.FromMilliseconds(100);

    readonly string _path;
    readonly IReadOnlyList<string> _secrets;
    readonly Action<string> _line;
    readonly CancellationTokenSource _stop = new();
    readonly Task _following;
    readonly StringBuilder _rest = new();
    long _at;

    public LogTail(string path, IReadOnlyList<string> secrets, Action<string> line)
    {
        _path = path;
        _secrets = secrets.SelectMany(Forms).Distinct().OrderByDescending(s => s.Length).ToList();
        _line = line;
        File.Create(path).Dispose();
        _following = Follow();
    }

    /// <summary>The last line that was not empty.</summary>
    public string Last { get; private set; } = "";

    /// <summary>Reads to the end of the file; the command has ended.</summary>
    public async Task Finish()
    {
        await _stop.CancelAsync();
        await _following;
        await Read();
        if (_rest.Length > 0) Tell(_rest.ToString());
        if (_secrets.Count == 0) return;
        var text = await File.ReadAllTextAsync(_path);
        var masked = Mask(text);
        if (masked != text) Storage.Files.WriteAtomically(_path, masked);
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
        await using var file = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = Math.Min(_at, file.Length);
        var buffer = new byte[64 * 1024];
        for (int read; (read = await file.ReadAsync(buffer)) > 0; _at += read)
        {
            _rest.Append(Encoding.UTF8.GetString(buffer, 0, read));
            var text = _rest.ToString();
            var end = text.LastIndexOf('\n');
            if (end < 0) continue;
            foreach (var line in text[..end].Split('\n')) Tell(line.TrimEnd('\r'));
            _rest.Clear().Append(text, end + 1, text.Length - end - 1);
        }
    }

    void Tell(string line)
    {
        line = Mask(line);
        if (line.Length > 0) Last = line;
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
    }
}
