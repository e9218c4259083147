namespace Takt;

/// <summary>32 lower-case hex digits. Foreign clients may bring their own: letters, digits, <c>_</c> and <c>-</c>, 256 at most.</summary>
public readonly record struct RunId(string Value)
{
    public static RunId New() => new(Guid.NewGuid().ToString("N"));

    public override string ToString() => Value;
}
