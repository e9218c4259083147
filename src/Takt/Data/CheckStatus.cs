namespace Takt.Data;

/// <summary>What came of one expectation. Skipped: there was nothing to hold it against, such as no earlier version; the message says what.</summary>
public enum CheckStatus
{
    Passed,
    Warned,
    Failed,
    Skipped,
}
