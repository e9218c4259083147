using System.Globalization;
using System.Text.RegularExpressions;
using Takt.Pipelines;

namespace Takt.Deployments;

/// <summary>Reads <c>limits:</c> of a deployment.</summary>
public static partial class Limits
{
    /// <param name="llm">Such a deployment has no rows, and its upstream says how many it takes at once.</param>
    internal static LimitSpec? Read(StepArguments? with, bool llm)
    {
        if (with is null) return null;
        var spec = new LimitSpec();
        var rate = with.NumberOrNull("rate");
        if (rate is not null and not (> 0 and <= 1e6)) with.Fault("rate", "rate must be above 0 and at most 1000000: requests a second of one key");
        var burst = with.Integer("burst", rate is { } r ? Math.Max(1, (long)Math.Ceiling(Math.Min(r, 1e6))) : 1);
        if (burst is < 1 or > 1_000_000) with.Fault("burst", "burst must be 1 to 1000000: requests of one key at once");
        if (rate is null)
            foreach (var key in (string[])["burst", "by", "shared"])
                if (with.Has(key)) with.Fault(key, $"{key}: is of rate:, which is not there");
        var by = with.TextOrNull("by") ?? LimitSpec.OfClient;
        if (by is not (LimitSpec.OfClient or LimitSpec.OfAll) && StickyKey.Parse(by) is not { IsHeader: true }) with.Fault("by", $"'{by}' must be client, all, or header NAME");
        if (StickyKey.Parse(by) is { IsHeader: true } header) by = "header " + header.Name;
        var timeout = with.TextOrNull("timeout") is { } text ? Time(with, text) : null;
        var body = with.TextOrNull("body") is { } size ? Bytes(with, size) : LimitSpec.MostBody;
        if (llm)
            foreach (var key in (string[])["rows", "waiting", "at-once"])
                if (with.Has(key)) with.Fault(key, $"an LLM deployment has no {key}: leave it out");
        return spec with
        {
            PerSecond = rate,
            Burst = (int)Math.Clamp(burst, 1, 1_000_000),
            By = by,
            Shared = rate is not null && with.Flag("shared", false),
            Timeout = timeout,
            Body = body,
            Rows = Within(with, "rows", 1, LimitSpec.MostRows, LimitSpec.MostRows),
            Waiting = Within(with, "waiting", 0, 100_000, Slot.Queue),
            AtOnce = Within(with, "at-once", 1, 1024, 0),
        };
    }

    static int Within(StepArguments with, string key, int least, int most, int fallback)
    {
        if (!with.Has(key)) return fallback;
        var value = with.Integer(key, fallback);
        if (value >= least && value <= most) return (int)value;
        with.Fault(key, $"{key} must be {least} to {most}");
        return fallback;
    }

    static TimeSpan? Time(StepArguments with, string text)
    {
        if (TryTime(text, out var time)) return time;
        with.Fault("timeout", $"timeout is '{text}', not a time such as 500ms or 2s, an hour at most");
        return null;
    }

    /// <summary>A time such as <c>250ms</c>, <c>2s</c>, <c>1m</c>, or a number of seconds; above 0 and an hour at most.</summary>
    public static bool TryTime(ReadOnlySpan<char> text, out TimeSpan time)
    {
        time = default;
        text = text.Trim();
        var (unit, letters) = text.EndsWith("ms") ? (0.001, 2) : text.EndsWith("s") ? (1, 1) : text.EndsWith("m") ? (60.0, 1) : (1, 0);
        if (!double.TryParse(text[..^letters], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) || number * unit is not (> 0 and <= 3600)) return false;
        time = TimeSpan.FromSeconds(number * unit);
        return true;
    }

    static long Bytes(StepArguments with, string text)
    {
        var match = Size().Match(text);
        if (match.Success && double.TryParse(match.Groups[1].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * (match.Groups[2].Value switch { "KiB" => 1L << 10, "MiB" => 1L << 20, _ => 1 }) is >= 1 and <= LimitSpec.MostBody and var bytes) return (long)bytes;
        with.Fault("body", $"body is '{text}', not a size such as 64KiB or 8MiB, 64MiB at most");
        return LimitSpec.MostBody;
    }

    [GeneratedRegex(@"^(\d+(?:\.\d+)?)(KiB|MiB|B)?$")]
    private static partial Regex Size();
}
