using System.Globalization;
using System.Runtime.InteropServices;

namespace Takt.ML.Onnx;

/// <summary>LightGBM's text model as an ONNX graph of one float matrix, <c>X</c>, categories as their codes.</summary>
/// <remarks>
/// A threshold becomes the largest float that is not above it: then a float is at most the one exactly where it is at most the other. So only inputs that are no floats themselves can fall
/// on another side than in LightGBM, which compares doubles.
/// </remarks>
static class LightGbmTrees
{
    const int Categorical = 1, DefaultLeft = 2, MissingShift = 2, MissingZero = 1, MissingNaN = 2, Deepest = 2000;

    const float ZeroThreshold = 1e-35f;

    /// <exception cref="TaktException">NotSupported: a kind of model that has no such form; the message says which.</exception>
    /// <param name="classes">What a multiclass model tells apart: then <paramref name="output"/> is the class, as text, and each has an output of its probability.</param>
    public static byte[] ToOnnx(string text, string output, SampleRows samples, IReadOnlyList<string>? classes = null)
    {
        var head = text.IndexOf("\nTree=", StringComparison.Ordinal);
        var end = text.IndexOf("\nend of trees", StringComparison.Ordinal);
        if (head < 0 || end < head) throw TaktException.Invalid("the model is no LightGBM text model, or has no tree");
        var model = Members(text[..head]);
        if (model.ContainsKey("average_output")) throw Not("a random forest (boosting=rf), whose trees are averaged");
        var objective = (model.GetValueOrDefault("objective") ?? "").Split(' ');
        var targets = objective[0] == "multiclass" && classes is not null ? classes.Count : 1;
        if (model.GetValueOrDefault("num_tree_per_iteration") != targets.ToString(CultureInfo.InvariantCulture)) throw Not($"of {model.GetValueOrDefault("num_tree_per_iteration")} trees an iteration and the objective '{objective[0]}'");
        if (objective.Contains("sqrt")) throw Not("of the objective regression with sqrt");
        var features = int.Parse(model["max_feature_idx"], CultureInfo.InvariantCulture) + 1;

        var nodes = new TreeNodes();
        foreach (var (number, tree) in text[(head + 1)..end].Split("\nTree=").Select(Members).Index()) new Tree(tree, nodes, samples, number % targets).Write();
        var graph = new OnnxGraph("lightgbm");
        graph.Input("X", Takt.Models.TensorType.Fp32, -1, features);
        if (targets > 1) return Classes(graph, nodes, output, classes!);
        graph.Output(output, Takt.Models.TensorType.Fp32, -1, 1);
        switch (objective[0])
        {
            case "binary" or "cross_entropy" or "xentropy":
                var sigmoid = objective.FirstOrDefault(o => o.StartsWith("sigmoid:", StringComparison.Ordinal)) is { } s ? Single(s["sigmoid:".Length..]) : 1;
                nodes.Write(graph, "X", "raw", 1, [0]);
                if (sigmoid != 1)
                {
                    float[] factor = [sigmoid];
                    graph.Constant(new("sigmoid", Takt.Models.TensorType.Fp32, [1], MemoryMarshal.AsBytes<float>(factor).ToArray()));
                    graph.Node("Mul", ["raw", "sigmoid"], ["scaled"]);
                }
                graph.Node("Sigmoid", [sigmoid == 1 ? "raw" : "scaled"], [output]);
                break;
            case "poisson" or "gamma" or "tweedie":
                nodes.Write(graph, "X", "raw", 1, [0]);
                graph.Node("Exp", ["raw"], [output]);
                break;
            case "regression" or "regression_l1" or "huber" or "fair" or "quantile" or "mape" or "lambdarank" or "rank_xendcg":
                nodes.Write(graph, "X", output, 1, [0]);
                break;
            default:
                throw Not($"of the objective '{objective[0]}'");
        }
        return graph.ToArray();
    }

    static byte[] Classes(OnnxGraph graph, TreeNodes nodes, string output, IReadOnlyList<string> classes)
    {
        var probabilities = classes.Select(Takt.Models.PackageInfo.ProbabilityOf).ToList();
        graph.Output(output, Takt.Models.TensorType.Bytes, -1);
        foreach (var probability in probabilities) graph.Output(probability, Takt.Models.TensorType.Fp32, -1, 1);
        nodes.Write(graph, "X", "raw", classes.Count, [0]);
        graph.Node("Softmax", ["raw"], ["all"], ("axis", 1L));
        graph.Node("Split", ["all"], probabilities, ("axis", 1L));
        graph.Node("ArgMax", ["raw"], ["largest"], ("axis", 1L), ("keepdims", 0L));
        graph.Node(OnnxGraph.MlDomain, "LabelEncoder", ["largest"], [output], ("keys_int64s", Enumerable.Range(0, classes.Count).Select(c => (long)c).ToList()), ("values_strings", classes.ToList()));
        return graph.ToArray();
    }

    static TaktException Not(string what) => new(TaktError.NotSupported, $"a LightGBM model {what} is not converted to ONNX");

    static float Single(string text) => float.Parse(text, CultureInfo.InvariantCulture);

    static Dictionary<string, string> Members(string text)
    {
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n'))
            if (line.IndexOf('=') is > 0 and var mark) members.TryAdd(line[..mark], line[(mark + 1)..]);
        return members;
    }

    sealed class Tree
    {
        readonly TreeNodes _nodes;
        readonly SampleRows _samples;
        readonly int[] _feature, _decision, _left, _right, _bounds;
        readonly double[] _threshold, _leaf;
        readonly int _target;
        readonly uint[] _sets;

        /// <param name="target">What its leaves add to.</param>
        public Tree(Dictionary<string, string> tree, TreeNodes nodes, SampleRows samples, int target)
        {
            (_nodes, _samples, _target) = (nodes, samples, target);
            if (tree.GetValueOrDefault("is_linear", "0") != "0") throw Not("with linear leaves (linear_tree)");
            T[] List<T>(string name) where T : IParsable<T> => tree.GetValueOrDefault(name, "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => T.Parse(v, CultureInfo.InvariantCulture)).ToArray();
            (_feature, _decision, _left, _right, _bounds) = (List<int>("split_feature"), List<int>("decision_type"), List<int>("left_child"), List<int>("right_child"), List<int>("cat_boundaries"));
            double[] Reals(string name) => [.. List<string>(name).Select(LightGbm.ModelText.Real)];
            (_threshold, _leaf, _sets) = (Reals("threshold"), Reals("leaf_value"), List<uint>("cat_threshold"));
        }

        public void Write()
        {
            _nodes.Begin();
            Node(_feature.Length == 0 ? -1 : 0, 0);
        }

        /// <param name="at">Below 0: a leaf.</param>
        long Node(int at, int depth)
        {
            if (depth > Deepest) throw Not($"of trees deeper than {Deepest}");
            if (at < 0) return _nodes.Leaf((float)_leaf[~at], _target);
            var missing = (_decision[at] >> MissingShift) & 3;
            if ((_decision[at] & Categorical) != 0) return Set(at, depth);
            if (missing == MissingZero) throw Not("that takes zeros for missing (zero_as_missing)");
            var threshold = RoundedDown(_threshold[at]);
            if (float.IsFinite(threshold)) _samples.Number(_feature[at], threshold); // inf: all but missing
            // without a missing type NaN counts as zero
            var place = _nodes.Split("BRANCH_LEQ", _feature[at], threshold, missing == MissingNaN ? (_decision[at] & DefaultLeft) != 0 : _threshold[at] >= 0);
            var left = Node(_left[at], depth + 1);
            _nodes.Join(place, left, Node(_right[at], depth + 1));
            return _nodes.IdOf(place);
        }

        /// <summary>In the set goes left, all else, and a missing value, right.</summary>
        long Set(int at, int depth)
        {
            var set = _sets.AsSpan(_bounds[(int)_threshold[at]].._bounds[(int)_threshold[at] + 1]);
            var categories = new List<int>();
            for (var category = 0; category < set.Length * 32; category++)
                if ((set[category / 32] >> (category % 32) & 1) != 0) categories.Add(category);
            if (categories.Count == 0) return Node(_right[at], depth + 1);
            foreach (var category in categories) _samples.Category(_feature[at], category);
            var places = categories.ConvertAll(c => _nodes.Split("BRANCH_EQ", _feature[at], c, missingIsTrue: false));
            var left = Node(_left[at], depth + 1);
            var right = Node(_right[at], depth + 1);
            for (var i = 0; i < places.Count; i++) _nodes.Join(places[i], left, i + 1 < places.Count ? _nodes.IdOf(places[i + 1]) : right);
            return _nodes.IdOf(places[0]);
        }

        static float RoundedDown(double threshold)
        {
            // LightGBM reads numbers this small as zero before it compares
            if (Math.Abs(threshold) <= ZeroThreshold) return threshold >= 0 ? ZeroThreshold : MathF.BitDecrement(-ZeroThreshold);
            var rounded = (float)threshold;
            return rounded > threshold ? MathF.BitDecrement(rounded) : rounded;
        }
    }
}
