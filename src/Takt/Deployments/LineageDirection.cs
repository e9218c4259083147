namespace Takt.Deployments;

/// <summary>Which way a lineage is followed.</summary>
[Flags]
public enum LineageDirection
{
    /// <summary>To what it came from.</summary>
    Up = 1,

    /// <summary>To what came of it.</summary>
    Down = 2,

    Both = Up | Down,
}
