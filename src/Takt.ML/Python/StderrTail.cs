using System.Collections;
using System.Text;

namespace Takt.ML.Python;

/// <summary>The last of what a worker wrote to its error stream, without the values of secrets.</summary>
sealed class StderrTail
{
    const int Kept = 8 << 10;
    const int Lines = 6;
    const int LongestLine = 300;

    readonly byte[] _ring = new byte[Kept];
    readonly Lock _gate = new();
    long _written;

    public StderrTail(Stream stream)
    {
        var thread = new Thread(() => Read(stream), 128 << 10) { IsBackground = true, Name = "takt python stderr" };
        thread.Start();
        Ended = thread;
    }

    /// <summary>Ends when the stream does.</summary>
    public Thread Ended { get; }

    /// <summary>Empty, or <c>; its last lines: …</c>.</summary>
    public string Told()
    {
        string text;
        lock (_gate)
        {
            var length = (int)Math.Min(_written, Kept);
            var bytes = new byte[length];
            for (var i = 0; i < length; i++) bytes[i] = _ring[(int)((_written - length + i) % Kept)];
            text = Encoding.UTF8.GetString(bytes);
        }
        var lines = Masked(text).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(Lines).Select(l => l.Length > LongestLine ? l[..LongestLine] + "…" : l).ToList();
        return lines.Count == 0 ? "" : $"; its last lines: {string.Join(" | ", lines)}";
    }

    /// <summary>Workers are not given secrets; a model that found one elsewhere must not tell it either.</summary>
    public static string Masked(string text)
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            if (variable.Key is string name && name.StartsWith("TAKT_SECRET_", StringComparison.Ordinal) && variable.Value is string { Length: >= 4 } value) text = text.Replace(value, "***", StringComparison.Ordinal);
        return text;
    }

    void Read(Stream stream)
    {
        var buffer = new byte[4096];
        try
        {
            for (int read; (read = stream.Read(buffer)) > 0;)
                lock (_gate)
                    for (var i = 0; i < read; i++) _ring[(int)(_written++ % Kept)] = buffer[i];
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // it has ended
        }
    }
}
