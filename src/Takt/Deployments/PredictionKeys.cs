namespace Takt.Deployments;

/// <summary>What the caller's own system calls the rows of a request, such as order numbers: labels can name them when the truth is known.</summary>
/// <param name="values">One a row.</param>
/// <param name="inOne">A single value may be those of several rows, separated by commas, as a header's.</param>
public sealed class PredictionKeys(IReadOnlyList<string> values, bool inOne = false)
{
    /// <summary>Characters of a key.</summary>
    public const int Longest = 256;

    /// <exception cref="TaktException">Invalid: they are not one a row, or one is empty or too long.</exception>
    public IReadOnlyList<string> Of(int rows)
    {
        var keys = inOne && rows > 1 && values.Count == 1 ? values[0].Split(',', StringSplitOptions.TrimEntries) : values;
        if (keys.Count != rows) throw TaktException.Invalid($"{keys.Count} keys for {rows} rows: each row needs its own");
        for (var row = 0; row < rows; row++)
            if (!IsKey(keys[row])) throw TaktException.Invalid($"the key of row {row} must have 1 to {Longest} characters");
        return keys;
    }

    public static bool IsKey(string? text) => text is { Length: > 0 and <= Longest };
}
