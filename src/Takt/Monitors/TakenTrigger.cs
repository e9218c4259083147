using Takt.Storage;

namespace Takt.Monitors;

/// <summary>A trigger in this server's hands.</summary>
/// <param name="Again">Another server was gone in the midst of it.</param>
public sealed record TakenTrigger(TriggerEvent Trigger, bool Again, Lease Lease);
