namespace Takt.Data;

/// <summary>What columns a collect may bring that the version before did not have so.</summary>
public enum SchemaPolicy
{
    /// <summary>Any.</summary>
    Any,

    /// <summary>New columns may come and whole numbers become fractions; none may go or change its type otherwise.</summary>
    Add,

    /// <summary>The same columns of the same types.</summary>
    Same,
}
