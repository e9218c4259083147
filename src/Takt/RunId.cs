namespace Takt;

/// <summary>32 lower-case hex digits. Foreign clients may bring their own: letters, digits, <c>_</c> and <c>-</c>, 256 at most.</summary>
public readonly record struct RunId(string Value)
{
    /// <summary>A UUID of version 7 (RFC 9562): it begins with the time, so that rows of runs that are made together lie together, and the newest at the end.</summary>
    public static RunId New() => new(Guid.CreateVersion7().ToString("N"));

    public override string ToString() => Value;
}
