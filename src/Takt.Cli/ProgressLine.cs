using System.CommandLine;
using System.Globalization;

namespace Takt.Cli;

/// <summary>One line at the foot of the terminal that tells how far a long command is; it is gone when the command has something to say. Without a terminal, and under <c>--json</c>, there is none.</summary>
sealed class ProgressLine : IDisposable
{
    const int BarWidth = 24;
    const string Spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

    /// <summary>Shorter work shows nothing.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Often = TimeSpan.FromMilliseconds(120);

    readonly string _verb, _unit;
    readonly WorkProgress _progress = new();
    readonly Lock _drawing = new();
    readonly long _began = TimeProvider.System.GetTimestamp();
    readonly ITimer? _timer;
    readonly CancellationTokenSource _over = new();
    string? _said;
    int _turn;
    bool _drawn;

    ProgressLine(string verb, string unit, bool shown)
    {
        (_verb, _unit) = (verb, unit);
        if (!shown) return;
        WorkProgress.Watch(_progress);
        _timer = TimeProvider.System.CreateTimer(_ => Draw(), null, Patience, Often);
    }

    /// <summary>What the calls that follow tell as <see cref="WorkProgress"/> is shown until it is disposed of.</summary>
    /// <param name="unit">What is counted: files, records.</param>
    public static ProgressLine Show(ParseResult parsed, string verb, string unit = "files", bool quiet = false) =>
        new(verb, unit, !quiet && !parsed.GetValue(CommandLine.Json) && !Console.IsErrorRedirected);

    /// <summary>Whether anybody sees it.</summary>
    public bool Shown => _timer is not null;

    /// <summary>Instead of what is counted.</summary>
    public void Say(string text) => _said = text;

    /// <summary>Finds out beside the work how much there is to do.</summary>
    public void Measure(Func<CancellationToken, (long Files, long Bytes)> size)
    {
        if (!Shown) return;
        var over = _over.Token;
        _ = Task.Run(() =>
        {
            var (files, bytes) = size(over);
            if (!over.IsCancellationRequested) WorkProgress.ToDo(files, bytes);
        }, over);
    }

    void Draw()
    {
        lock (_drawing)
        {
            if (_over.IsCancellationRequested) return;
            var text = Text(_verb, _unit, _said, _progress, TimeProvider.System.GetElapsedTime(_began), Width(), Spinner[_turn++ % Spinner.Length]);
            Console.Error.Write($"\r\e[K{text}");
            _drawn = Terminal.LineDrawn = true;
        }
    }

    /// <summary>The line, never wider than the terminal: a line that wraps can't be drawn over.</summary>
    internal static string Text(string verb, string unit, string? said, WorkProgress so, TimeSpan elapsed, int width, char spinner)
    {
        var parts = new List<string>();
        var share = so.BytesToDo > 0 ? (double)so.Bytes / so.BytesToDo : so.FilesToDo > 0 ? (double)so.Files / so.FilesToDo : -1;
        if (said is not null) parts.Add(said);
        else
        {
            if (share >= 0) parts.Add($"{Bar(Math.Min(1, share))} {Math.Min(1, share).ToString("P0", CultureInfo.InvariantCulture)}");
            parts.Add(so.FilesToDo > 0 ? string.Create(CultureInfo.InvariantCulture, $"{so.Files:N0} of {so.FilesToDo:N0} {unit}") : string.Create(CultureInfo.InvariantCulture, $"{so.Files:N0} {unit}"));
            parts.Add(so.BytesToDo > 0 ? $"{DataText.Size(so.Bytes)} of {DataText.Size(so.BytesToDo)}" : DataText.Size(so.Bytes));
            if (elapsed.TotalSeconds >= 1 && so.Bytes > 0) parts.Add($"{DataText.Size((long)(so.Bytes / elapsed.TotalSeconds))}/s");
        }
        // a guess from the first few percent would jump about
        parts.Add(said is null && share is > 0.03 and < 1 ? $"{Clock(elapsed / share * (1 - share))} left" : Clock(elapsed));
        var line = $"{spinner} {verb}  {string.Join("  ", parts)}";
        return line.Length < width ? line : line[..Math.Max(0, width - 2)] + "…";
    }

    static string Bar(double share)
    {
        var full = (int)Math.Round(share * BarWidth);
        return new string('█', full) + new string('░', BarWidth - full);
    }

    static string Clock(TimeSpan time) => time.TotalHours >= 1 ? $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}" : $"{time.Minutes}:{time.Seconds:00}";

    static int Width()
    {
        try
        {
            return Console.WindowWidth is > 20 and var width ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }

    public void Dispose()
    {
        lock (_drawing)
        {
            if (_over.IsCancellationRequested) return;
            _over.Cancel();
            if (_drawn) Console.Error.Write("\r\e[K");
            Terminal.LineDrawn = false;
        }
        _timer?.Dispose();
        if (Shown) WorkProgress.Watch(null);
    }
}
