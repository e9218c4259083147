using Takt.Data;

namespace Takt.Deployments;

/// <summary>A request that was answered, and that a shadow is asked again.</summary>
/// <param name="Champion">What the champion gave: its first output, a value a row.</param>
sealed record ShadowCopy(string Id, DateTimeOffset Time, DateTimeOffset Received, Table Inputs, Column? Champion, TimeSpan Latency);
