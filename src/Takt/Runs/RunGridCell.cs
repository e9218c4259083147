namespace Takt.Runs;

/// <summary>A metric's newest value, or a text; neither when the run has none of it.</summary>
/// <param name="Number">May be NaN.</param>
public readonly record struct RunGridCell(double? Number, string? Text);
