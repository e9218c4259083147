namespace Takt.Data;

/// <summary>What a collection of garbage does: to a version (<see cref="Drop"/>: its files are given free), or to a pack or a blob.</summary>
public enum GcAction { Drop, Revive, Quarantine, Rewrite, Remove }
