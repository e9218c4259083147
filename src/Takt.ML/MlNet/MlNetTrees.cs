using System.Collections.Immutable;
using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;
using Microsoft.ML.Trainers.FastTree;

namespace Takt.ML.MlNet;

/// <summary>The trees of a pipeline, whichever trainer made them.</summary>
/// <param name="Features">The column of the vector that they read.</param>
/// <param name="Splits">Each threshold with the place in that vector which it is held against: at most the threshold goes left.</param>
sealed record MlNetTrees(string Features, IReadOnlyList<(int Slot, float Threshold)> Splits)
{
    /// <exception cref="TaktException">NotSupported: there are none, or some split by sets of categories.</exception>
    public static MlNetTrees Of(ITransformer pipeline)
    {
        var trainers = Steps(pipeline).OfType<ISingleFeaturePredictionTransformer<object>>().Where(t => Of(t.Model).Any()).ToList();
        if (trainers.Count != 1)
            throw Not(trainers.Count == 0 ? "without trees (of FastTree, FastForest or LightGbm)" : $"of {trainers.Count} trainers one after the other");
        var splits = new List<(int, float)>();
        foreach (var tree in Of(trainers[0].Model))
            for (var node = 0; node < tree.NumberOfNodes; node++)
            {
                if (tree.CategoricalSplitFlags[node]) throw Not("whose trees split by sets of categories (train without CategoricalSplit, UseCategoricalSplit)");
                splits.Add((tree.NumericalSplitFeatureIndexes[node], tree.NumericalSplitThresholds[node]));
            }
        return new MlNetTrees(trainers[0].FeatureColumnName, splits);
    }

    public static TaktException Not(string what) => new(TaktError.NotSupported, $"an ML.NET model {what} is not converted to ONNX");

    static IEnumerable<ITransformer> Steps(ITransformer pipeline) => pipeline is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [pipeline];

    static IEnumerable<RegressionTreeBase> Of(object? model) => model switch
    {
        TreeEnsembleModelParametersBasedOnRegressionTree boosted => boosted.TrainedTreeEnsemble.Trees,
        TreeEnsembleModelParametersBasedOnQuantileRegressionTree forest => forest.TrainedTreeEnsemble.Trees,
        CalibratedModelParametersBase calibrated => Of(calibrated.SubModel),
        OneVersusAllModelParameters classes => Each(classes).SelectMany(Of),
        _ => [],
    };

    /// <summary>ML.NET 5 has no public way to the models of the classes.</summary>
    static ImmutableArray<object> Each(OneVersusAllModelParameters classes) =>
        typeof(OneVersusAllModelParameters).GetProperty("SubModelParameters", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)?.GetValue(classes) is ImmutableArray<object> models ? models : [];
}
