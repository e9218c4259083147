namespace Takt.Monitors;

/// <summary>How far a column of a window is from the reference.</summary>
/// <param name="Column">An input, the model's output, or <c>label</c>.</param>
/// <param name="Test"><c>ks</c> or <c>chi-square</c>.</param>
/// <param name="P">Chance of this without drift, corrected for the number of columns; never alone a reason for an alert, but there is none where it is not small.</param>
/// <param name="Moved">The bin that moved most, and its shares before and now.</param>
public sealed record ColumnDrift(string Column, double Psi, string Test, double P, string Moved);
