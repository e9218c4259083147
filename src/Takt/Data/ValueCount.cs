namespace Takt.Data;

/// <summary>How often one value occurs. Booleans are <c>true</c> and <c>false</c>.</summary>
public sealed record ValueCount(string Value, long Count);
