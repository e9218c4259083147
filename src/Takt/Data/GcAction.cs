namespace Takt.Data;

/// <summary>What a collection of garbage does to a pack or a blob.</summary>
public enum GcAction { Revive, Quarantine, Rewrite, Remove }
