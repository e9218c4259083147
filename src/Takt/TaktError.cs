namespace Takt;

/// <summary>What kind of failure this is; every edge (CLI exit code, HTTP status, foreign protocol) has one table from it.</summary>
public enum TaktError
{
    /// <summary>What was asked is malformed or breaks a rule.</summary>
    Invalid,
    NotFound,
    /// <summary>It exists already, or somebody else changed it first.</summary>
    Conflict,
    Denied,
    /// <summary>Not now: a queue is full, a server is down. Trying again may help.</summary>
    Unavailable,
    TooLarge,
    Cancelled,
    NotSupported,
    /// <summary>More than this caller may ask; <see cref="TaktException.RetryAfter"/> says when it may again.</summary>
    TooMany,
    /// <summary>Its deadline was over before its turn came.</summary>
    TimedOut,
}
