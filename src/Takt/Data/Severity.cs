namespace Takt.Data;

/// <summary>What a broken expectation does.</summary>
public enum Severity
{
    /// <summary>Stops the commit or the stage.</summary>
    Fail,

    /// <summary>Is told and stored, and lets the data in.</summary>
    Warn,
}
