namespace Takt.ML.Onnx;

/// <summary>The nodes of an <c>ai.onnx.ml.TreeEnsembleRegressor</c> (operator set 3), as its twelve lists of attributes.</summary>
/// <remarks>
/// A set of categories is a chain of BRANCH_EQ, of which each true branch leads to the same node: what LightGBM's and XGBoost's usual converters write, and what runtimes make a set of again.
/// </remarks>
sealed class TreeNodes
{
    /// <summary>Larger ensembles are refused: the file would have hundreds of megabytes.</summary>
    const int Most = 5_000_000;

    readonly List<long> _trees = [], _nodes = [], _features = [], _whenTrue = [], _whenFalse = [], _missing = [];
    readonly List<long> _leafTrees = [], _leafNodes = [], _leafOutputs = [];
    readonly List<string> _modes = [];
    readonly List<float> _values = [], _weights = [];
    long _tree = -1, _next;

    /// <summary>A tree begins; its root is the first node that is added.</summary>
    public void Begin() => (_tree, _next) = (_tree + 1, 0);

    /// <summary>A leaf that adds to an output.</summary>
    public long Leaf(float value, long output)
    {
        var node = Place("LEAF", 0, 0, false);
        _leafTrees.Add(_tree);
        _leafNodes.Add(_nodes[node]);
        _leafOutputs.Add(output);
        _weights.Add(value);
        return _nodes[node];
    }

    /// <summary>A split of numbers; its branches are joined by <see cref="Join"/>.</summary>
    /// <param name="mode">BRANCH_LEQ or BRANCH_LT: true goes left.</param>
    public int Split(string mode, int feature, float threshold, bool missingIsTrue) => Place(mode, feature, threshold, missingIsTrue);

    public long IdOf(int place) => _nodes[place];

    public void Join(int place, long whenTrue, long whenFalse) => (_whenTrue[place], _whenFalse[place]) = (whenTrue, whenFalse);

    public void Write(OnnxGraph graph, string input, string output, int targets, IReadOnlyList<float> baseValues)
    {
        List<(string, object)> attributes =
        [
            ("n_targets", (long)targets), ("aggregate_function", "SUM"), ("post_transform", "NONE"),
            ("nodes_treeids", _trees), ("nodes_nodeids", _nodes), ("nodes_featureids", _features), ("nodes_modes", _modes), ("nodes_values", _values),
            ("nodes_truenodeids", _whenTrue), ("nodes_falsenodeids", _whenFalse), ("nodes_missing_value_tracks_true", _missing),
            ("target_treeids", _leafTrees), ("target_nodeids", _leafNodes), ("target_ids", _leafOutputs), ("target_weights", _weights),
        ];
        if (baseValues.Any(v => v != 0)) attributes.Add(("base_values", baseValues.ToList()));
        graph.Node(OnnxGraph.MlDomain, "TreeEnsembleRegressor", [input], [output], [.. attributes]);
    }

    int Place(string mode, int feature, float value, bool missingIsTrue)
    {
        if (_nodes.Count == Most) throw new TaktException(TaktError.TooLarge, $"the trees have over {Most:N0} nodes once sets of categories are written as comparisons; that is no model to convert");
        _trees.Add(_tree);
        _nodes.Add(_next++);
        _modes.Add(mode);
        _features.Add(feature);
        _values.Add(value);
        _missing.Add(missingIsTrue ? 1 : 0);
        _whenTrue.Add(0);
        _whenFalse.Add(0);
        return _nodes.Count - 1;
    }
}
