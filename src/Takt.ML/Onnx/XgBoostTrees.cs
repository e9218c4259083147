using System.Numerics;
using Takt.ML.XgBoost;
using Takt.Models;

namespace Takt.ML.Onnx;

/// <summary>XGBoost's trees as an ONNX graph of one float matrix, <c>X</c>. Both compare floats: each row takes the same way; only the order of addition differs.</summary>
static class XgBoostTrees
{
    const int Deepest = 2000;

    /// <exception cref="TaktException">NotSupported: the objective has no such form.</exception>
    public static byte[] ToOnnx(XgModel model, string output, SampleRows samples)
    {
        var nodes = new TreeNodes();
        foreach (var (root, group, weight) in model.Trees)
        {
            nodes.Begin();
            Node(model, nodes, samples, root, group, weight, 0);
        }
        var graph = new OnnxGraph("xgboost");
        graph.Input("X", TensorType.Fp32, -1, model.Features);
        graph.Output(output, TensorType.Fp32, -1, model.Objective == "multi:softmax" ? 1 : model.Groups);
        switch (model.Objective)
        {
            case "binary:logistic" or "reg:logistic":
                nodes.Write(graph, "X", "raw", model.Groups, model.BaseMargins);
                graph.Node("Sigmoid", ["raw"], [output]);
                break;
            case "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft":
                nodes.Write(graph, "X", "raw", model.Groups, model.BaseMargins);
                graph.Node("Exp", ["raw"], [output]);
                break;
            case "multi:softprob":
                nodes.Write(graph, "X", "raw", model.Groups, model.BaseMargins);
                graph.Node("Softmax", ["raw"], [output], ("axis", 1L));
                break;
            case "multi:softmax":
                nodes.Write(graph, "X", "raw", model.Groups, model.BaseMargins);
                graph.Node("ArgMax", ["raw"], ["largest"], ("axis", 1L), ("keepdims", 1L));
                graph.Node("Cast", ["largest"], [output], ("to", 1L));
                break;
            case "binary:hinge":
                nodes.Write(graph, "X", "raw", model.Groups, model.BaseMargins);
                graph.Constant(new Tensor("zero", TensorType.Fp32, [1], new byte[4]));
                graph.Node("Greater", ["raw", "zero"], ["above"]);
                graph.Node("Cast", ["above"], [output], ("to", 1L));
                break;
            default:
                nodes.Write(graph, "X", output, model.Groups, model.BaseMargins); // all others that are read give the sum itself
                break;
        }
        return graph.ToArray();
    }

    static long Node(XgModel model, TreeNodes nodes, SampleRows samples, int at, int group, float weight, int depth)
    {
        if (depth > Deepest) throw new TaktException(TaktError.NotSupported, $"an XGBoost model of trees deeper than {Deepest} is not converted to ONNX");
        var node = model.Nodes[at];
        if (node.Feature < 0) return nodes.Leaf(weight == 1 ? node.Value : node.Value * weight, group);
        if (node.Categories < 0)
        {
            samples.Number(node.Feature, node.Value);
            var place = nodes.Split("BRANCH_LT", node.Feature, node.Value, node.DefaultLeft);
            var below = Node(model, nodes, samples, node.Left, group, weight, depth + 1);
            nodes.Join(place, below, Node(model, nodes, samples, node.Right, group, weight, depth + 1));
            return nodes.IdOf(place);
        }
        var categories = new List<int>();
        var set = model.Set(node.Categories);
        for (var word = 0; word < set.Length; word++)
            for (var bits = set[word]; bits != 0;)
            {
                var bit = BitOperations.LeadingZeroCount(bits); // the first category is the highest bit
                categories.Add((word * 32) + bit);
                bits &= ~(0x80000000u >> bit);
            }
        if (categories.Count == 0) return Node(model, nodes, samples, node.Left, group, weight, depth + 1);
        foreach (var category in categories) samples.Category(node.Feature, category);
        // in the set goes right
        var places = categories.Select((c, i) => nodes.Split("BRANCH_EQ", node.Feature, c, i == 0 && !node.DefaultLeft)).ToList();
        var right = Node(model, nodes, samples, node.Right, group, weight, depth + 1);
        var left = Node(model, nodes, samples, node.Left, group, weight, depth + 1);
        for (var i = 0; i < places.Count; i++) nodes.Join(places[i], right, i + 1 < places.Count ? nodes.IdOf(places[i + 1]) : left);
        return nodes.IdOf(places[0]);
    }
}
