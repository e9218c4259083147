using System.Globalization;

namespace Takt.ML.LightGbm;

/// <summary>LightGBM's text of a model: what it says of the whole, and its trees.</summary>
sealed record ModelText(IReadOnlyDictionary<string, string> Head, IReadOnlyList<ModelTree> Trees)
{
    /// <summary>Looks at each tree as well: the native library follows what it is given out of its memory, and takes the process with it.</summary>
    /// <exception cref="TaktException">Invalid: a tree that does not hold together.</exception>
    public static ModelText Read(string text)
    {
        var begin = text.IndexOf("\nTree=", StringComparison.Ordinal);
        var end = text.IndexOf("\nend of trees", Math.Max(begin, 0), StringComparison.Ordinal);
        if (end < 0) end = text.Length;
        var head = Members(text[..(begin < 0 ? end : begin)]);
        var trees = new List<ModelTree>();
        if (begin < 0) return new(head, trees);
        foreach (var (number, block) in text[(begin + 1)..end].Split("\nTree=").Index())
            try
            {
                trees.Add(new ModelTree(Members(block), int.Parse(head["max_feature_idx"], CultureInfo.InvariantCulture) + 1));
            }
            catch (Exception e) when (e is FormatException or OverflowException or KeyNotFoundException)
            {
                throw new TaktException(TaktError.Invalid, $"the LightGBM model is damaged: tree {number}: {e.Message}", e);
            }
        return new(head, trees);
    }

    /// <summary>As C writes it: <c>inf</c> is the threshold of a split that only tells missing values from all others.</summary>
    public static double Real(string text) => text switch
    {
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        "nan" or "-nan" => double.NaN,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    static Dictionary<string, string> Members(string block)
    {
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in block.Split('\n'))
            if (line.IndexOf('=') is var at and > 0) members[line[..at]] = line[(at + 1)..];
            else if (line.Length > 0) members[line] = "";
        return members;
    }
}
