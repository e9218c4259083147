namespace Takt.Storage;

/// <summary>What one caller wants made durable, on its way through a <see cref="GroupCommit{T}"/>.</summary>
abstract class GroupMember
{
    /// <summary>Why it was not; null: it was.</summary>
    public Exception? Failed;

    /// <summary>Tells the caller.</summary>
    public abstract void Complete();
}
