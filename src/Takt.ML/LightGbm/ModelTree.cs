using System.Globalization;

namespace Takt.ML.LightGbm;

/// <summary>One tree as LightGBM's text has it (src/io/tree.cpp): a child below zero is the leaf of its complement.</summary>
sealed class ModelTree
{
    /// <summary>In <see cref="Kind"/>: a split by categories.</summary>
    public const int Categorical = 1;

    readonly int[] _boundaries;
    readonly uint[] _sets;

    /// <exception cref="FormatException">It does not hold together. Also KeyNotFoundException and OverflowException.</exception>
    public ModelTree(IReadOnlyDictionary<string, string> text, int features)
    {
        Splits = int.Parse(text["num_leaves"], CultureInfo.InvariantCulture) - 1;
        IsLinear = text.GetValueOrDefault("is_linear", "0") != "0";
        Feature = Integers("split_feature");
        Kind = text.ContainsKey("decision_type") ? Integers("decision_type") : new int[Feature.Length];
        Left = Integers("left_child");
        Right = Integers("right_child");
        Threshold = [.. Parts("threshold").Select(ModelText.Real)];
        Leaves = [.. Parts("leaf_value").Select(ModelText.Real)];
        _boundaries = Integers("cat_boundaries");
        _sets = [.. Parts("cat_threshold").Select(t => uint.Parse(t, CultureInfo.InvariantCulture))];
        Depth = Check(features);

        string[] Parts(string name) => text.GetValueOrDefault(name, "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        int[] Integers(string name) => [.. Parts(name).Select(t => int.Parse(t, CultureInfo.InvariantCulture))];
    }

    public int Splits { get; }
    public bool IsLinear { get; }
    public int[] Feature { get; }
    public int[] Kind { get; }
    public int[] Left { get; }
    public int[] Right { get; }
    public double[] Threshold { get; }
    public double[] Leaves { get; }

    /// <summary>Splits on the longest way to a leaf.</summary>
    public int Depth { get; }

    /// <summary>The categories that go left, as a bitset.</summary>
    public ReadOnlySpan<uint> Set(int number) => _sets.AsSpan(_boundaries[number].._boundaries[number + 1]);

    int Check(int features)
    {
        if (Splits < 0 || Leaves.Length != Splits + 1) throw new FormatException($"{Splits + 1} leaves, {Leaves.Length} values");
        if (new[] { Feature.Length, Kind.Length, Left.Length, Right.Length, Threshold.Length }.Any(n => n != Splits)) throw new FormatException($"its lists are not of {Splits} splits");
        for (var c = 0; c < _boundaries.Length; c++)
            if (_boundaries[c] < (c == 0 ? 0 : _boundaries[c - 1]) || _boundaries[c] > _sets.Length) throw new FormatException("its sets of categories lie outside of it");
        var (depth, seen) = (0, new bool[(2 * Splits) + 1]); // splits, and leaves behind them
        var open = new Stack<(int Node, int Level)>([(Splits > 0 ? 0 : ~0, 0)]);
        while (open.TryPop(out var at))
        {
            var place = at.Node >= 0 ? at.Node : Splits + ~at.Node;
            if (at.Node >= Splits || (uint)place >= seen.Length || seen[place]) throw new FormatException($"the child {at.Node} is not there, or comes twice");
            seen[place] = true;
            depth = Math.Max(depth, at.Level);
            if (at.Node < 0) continue;
            if ((uint)Feature[at.Node] >= features) throw new FormatException($"it asks for feature {Feature[at.Node]} of {features}");
            if ((Kind[at.Node] & Categorical) != 0 && !(Threshold[at.Node] >= 0 && Threshold[at.Node] < _boundaries.Length - 1)) throw new FormatException($"split {at.Node} has no set of categories");
            open.Push((Right[at.Node], at.Level + 1));
            open.Push((Left[at.Node], at.Level + 1));
        }
        return depth;
    }
}
