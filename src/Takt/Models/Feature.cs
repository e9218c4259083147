namespace Takt.Models;

/// <summary>One input of a trained model, and how it becomes a number.</summary>
/// <param name="Categories">A categorical feature's values; its number is the place in this list, and a value that is not in it counts as missing. Null: a numeric feature.</param>
public sealed record Feature(string Name, FieldType Type, IReadOnlyList<string>? Categories = null);
