using Takt.Models;

namespace Takt.ML.Python;

/// <summary>Bounds of a pool.</summary>
/// <param name="BatchRows">Waiting requests are merged into one call up to this many rows; 1: never.</param>
/// <param name="BatchDelay">How long an idle worker waits for more requests to merge; zero: it begins at once, and merges what came while it was busy.</param>
/// <param name="Timeout">Of one call, and of waiting for a worker.</param>
/// <param name="Memory">Bytes that a worker may hold; one that holds more is replaced.</param>
sealed record PythonLimits(int Workers, int BatchRows, TimeSpan BatchDelay, TimeSpan Timeout, long Memory)
{
    public const int MostWorkers = 64;

    /// <summary>To load the model: imports alone take many seconds on a slow disk.</summary>
    public TimeSpan LoadTimeout => Timeout > TimeSpan.FromMinutes(5) ? Timeout : TimeSpan.FromMinutes(5);

    public static PythonLimits Of(RuntimeSettings settings)
    {
        var workers = settings.Workers ?? Math.Clamp(Environment.ProcessorCount, 1, MostWorkers);
        var all = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new(workers, settings.BatchRows ?? 1024, settings.BatchDelay ?? TimeSpan.Zero, settings.Timeout ?? TimeSpan.FromSeconds(60), settings.Memory ?? (long)(all * 0.8 / workers));
    }
}
