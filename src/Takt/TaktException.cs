namespace Takt;

/// <summary>
/// The one error type that a user may see. The message says what, which one, and what to do next.
/// Anything else that is thrown is a bug.
/// </summary>
public sealed class TaktException : Exception
{
    public TaktException(TaktError error, string message, Exception? inner = null) : base(message, inner)
    {
        Error = error;
        Faults = [message];
    }

    /// <summary>Several faults of one input, all found at once; the message joins them by line.</summary>
    public TaktException(TaktError error, IReadOnlyList<string> faults) : base(string.Join('\n', faults))
    {
        Error = error;
        Faults = faults;
    }

    public TaktError Error { get; }

    /// <summary>Each fault as one line; one entry unless the input had several.</summary>
    public IReadOnlyList<string> Faults { get; }

    /// <summary>When to try again; null: in a second, where that helps at all.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The same with some text left out of its faults, such as a folder of our own before the path that a user knows.</summary>
    public TaktException Without(string text) => new(Error, Faults.Select(fault => fault.Replace(text, "", StringComparison.Ordinal)).ToList()) { RetryAfter = RetryAfter };

    public static TaktException Invalid(string message) => new(TaktError.Invalid, message);

    public static TaktException NotFound(string message) => new(TaktError.NotFound, message);

    public static TaktException Conflict(string message) => new(TaktError.Conflict, message);
}
