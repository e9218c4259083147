namespace Takt.Models;

/// <summary>How a deployment wants its model run, where the runtime leaves a choice; what is null is the runtime's own.</summary>
/// <param name="Python">The interpreter of a Python model.</param>
/// <param name="Workers">Processes of a Python model.</param>
/// <param name="BatchRows">Requests that wait are merged into one call up to so many rows; 1: never.</param>
/// <param name="BatchDelay">How long a request waits for others to be merged with.</param>
/// <param name="Timeout">Of one call.</param>
/// <param name="Memory">Bytes that one process may hold.</param>
public sealed record RuntimeSettings(string? Python = null, int? Workers = null, int? BatchRows = null, TimeSpan? BatchDelay = null, TimeSpan? Timeout = null, long? Memory = null)
{
    public static readonly RuntimeSettings Default = new();
}
