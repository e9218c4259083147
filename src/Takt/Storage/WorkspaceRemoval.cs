namespace Takt.Storage;

/// <summary>What becomes of that which a removed workspace still holds.</summary>
public enum WorkspaceRemoval
{
    /// <summary>It is not removed while it holds anything.</summary>
    Restrict,

    /// <summary>All of it is deleted.</summary>
    Cascade,

    /// <summary>It moves to <c>default</c>.</summary>
    SetDefault,
}
