using System.Runtime.CompilerServices;

namespace Takt.ML.XgBoost;

/// <summary>
/// Exact Shapley values of one tree for one row, by the cover of its nodes: TreeSHAP with tree_path_dependent perturbation (Lundberg, Erion, Lee: Consistent Individualized Feature
/// Attribution for Tree Ensembles, 2018, algorithm 2). O(leaves × depth²), in double.
/// </summary>
sealed class TreeShap(XgModel model)
{
    /// <summary>A feature on the way to a node: the shares of the subsets without and with it that come here, and the weight of the subsets of this size.</summary>
    record struct Step(int Feature, double Zero, double One, double Weight);

    /// <param name="contributions">A value per feature, and last the bias: what is there is added to.</param>
    public void Add(int root, float weight, ReadOnlySpan<float> row, Span<double> contributions)
    {
        contributions[^1] += weight * Mean(root);
        if (model.Nodes[root].Feature >= 0) Walk(root, weight, row, contributions, [], 0, 1, 1, -1);
    }

    double Mean(int at)
    {
        Deeper();
        var node = model.Nodes[at];
        if (node.Feature < 0) return node.Value;
        double left = model.Nodes[node.Left].Cover, right = model.Nodes[node.Right].Cover;
        return ((left * Mean(node.Left)) + (right * Mean(node.Right))) / node.Cover;
    }

    void Walk(int at, float weight, ReadOnlySpan<float> row, Span<double> contributions, ReadOnlySpan<Step> above, int length, double zero, double one, int feature)
    {
        Deeper();
        var path = new Step[length + 2];
        above[..length].CopyTo(path);
        Extend(path, length, zero, one, feature);
        var node = model.Nodes[at];
        if (node.Feature < 0)
        {
            for (var i = 1; i <= length; i++) contributions[path[i].Feature] += UnwoundSum(path, length, i) * (path[i].One - path[i].Zero) * node.Value * weight;
            return;
        }
        var (hot, cold) = model.GoesLeft(node, row[node.Feature]) ? (node.Left, node.Right) : (node.Right, node.Left);
        double zeroBefore = 1, oneBefore = 1;
        for (var i = 1; i <= length; i++)
            if (path[i].Feature == node.Feature)
            {
                (zeroBefore, oneBefore) = (path[i].Zero, path[i].One);
                Unwind(path, length, i);
                length--;
                break;
            }
        Walk(hot, weight, row, contributions, path, length + 1, model.Nodes[hot].Cover / (double)node.Cover * zeroBefore, oneBefore, node.Feature);
        Walk(cold, weight, row, contributions, path, length + 1, model.Nodes[cold].Cover / (double)node.Cover * zeroBefore, 0, node.Feature);
    }

    static void Deeper()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new TaktException(TaktError.NotSupported, "a tree of this model is too deep to be explained");
    }

    static void Extend(Span<Step> path, int length, double zero, double one, int feature)
    {
        path[length] = new Step(feature, zero, one, length == 0 ? 1 : 0);
        for (var i = length - 1; i >= 0; i--)
        {
            path[i + 1].Weight += one * path[i].Weight * (i + 1) / (length + 1);
            path[i].Weight = zero * path[i].Weight * (length - i) / (length + 1);
        }
    }

    /// <summary>Takes a step out again.</summary>
    static void Unwind(Span<Step> path, int length, int index)
    {
        var (_, zero, one, _) = path[index];
        var next = path[length].Weight;
        for (var i = length - 1; i >= 0; i--)
            if (one != 0)
            {
                var weight = path[i].Weight;
                path[i].Weight = next * (length + 1) / ((i + 1) * one);
                next = weight - (path[i].Weight * zero * (length - i) / (length + 1));
            }
            else path[i].Weight = path[i].Weight * (length + 1) / (zero * (length - i));
        for (var i = index; i < length; i++) path[i] = path[i + 1] with { Weight = path[i].Weight };
    }

    /// <summary>The sum of all weights once a step is taken out.</summary>
    static double UnwoundSum(ReadOnlySpan<Step> path, int length, int index)
    {
        var (_, zero, one, _) = path[index];
        var (next, total) = (path[length].Weight, 0.0);
        for (var i = length - 1; i >= 0; i--)
            if (one != 0)
            {
                var weight = next * (length + 1) / ((i + 1) * one);
                total += weight;
                next = path[i].Weight - (weight * zero * (length - i) / (length + 1));
            }
            else if (zero != 0) total += path[i].Weight / (zero * (length - i) / (length + 1));
        return total;
    }
}
