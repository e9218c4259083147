namespace Takt.Models;

/// <param name="Required">A required input must be sent; a missing value is still allowed for Float, Double and String.</param>
public sealed record Field(string Name, FieldType Type, bool Required = true);
