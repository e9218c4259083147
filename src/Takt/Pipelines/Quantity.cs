using System.Globalization;

namespace Takt.Pipelines;

/// <summary>Durations (<c>5ms</c>, <c>30s</c>, <c>15m</c>, <c>2h</c>, <c>7d</c>) and shares (<c>5%</c>, <c>0.05</c>) as users write them.</summary>
public static class Quantity
{
    /// <summary>The duration under a key, or the fallback when the key is absent; a fault when it is not positive or not of this form.</summary>
    public static TimeSpan Duration(this StepArguments with, string key, TimeSpan fallback)
    {
        if (with.TextOrNull(key) is not { } text) return fallback;
        if (TryDuration(text, out var value)) return value;
        with.Fault(key, $"{key} is '{text}', not a duration such as 30s, 15m, 2h or 7d");
        return fallback;
    }

    /// <summary>A share of 1: <c>5%</c> is 0.05.</summary>
    public static double Share(string text) => TryShare(text, out var share) ? share : throw TaktException.Invalid($"'{text}' is not a share such as 5% or 0.05");

    public static bool TryDuration(string text, out TimeSpan value)
    {
        value = default;
        if (text.EndsWith("ms", StringComparison.Ordinal) && double.TryParse(text.AsSpan(0, text.Length - 2), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var thousandths) && thousandths is > 0 and < 1e9)
        {
            value = TimeSpan.FromMilliseconds(thousandths);
            return true;
        }
        if (text.Length < 2 || !double.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n) || n <= 0) return false;
        var unit = text[^1] switch { 's' => 1.0, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        if (unit == 0 || n * unit > 366 * 86400.0) return false;
        value = TimeSpan.FromSeconds(n * unit);
        return true;
    }

    /// <summary>Bytes: <c>512MB</c>, <c>2GB</c>; units are powers of 1,024.</summary>
    public static bool TrySize(string text, out long bytes)
    {
        bytes = 0;
        var unit = text.Length > 2 ? text[^2..].ToUpperInvariant() switch { "KB" => 1L << 10, "MB" => 1L << 20, "GB" => 1L << 30, "TB" => 1L << 40, _ => 0 } : 0;
        if (unit == 0 || !double.TryParse(text.AsSpan(0, text.Length - 2).Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n) || n <= 0 || n * unit > long.MaxValue / 2) return false;
        bytes = (long)(n * unit);
        return true;
    }

    public static bool TryShare(string text, out double share)
    {
        var percent = text.EndsWith('%');
        var ok = double.TryParse(percent ? text.AsSpan(0, text.Length - 1) : text, NumberStyles.Float, CultureInfo.InvariantCulture, out share);
        if (percent) share /= 100;
        return ok && share is >= 0 and <= 1;
    }
}
