namespace Takt.Runs;

/// <param name="Value">May be NaN.</param>
public sealed record MetricValue(string Key, double Value, long Step, DateTimeOffset Time)
{
    /// <summary>A client's clock may say any number; one beyond the years 1 to 9999 is the nearest time that there is.</summary>
    internal static DateTimeOffset Clock(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(milliseconds, -62_135_596_800_000, 253_402_300_799_999));
}
