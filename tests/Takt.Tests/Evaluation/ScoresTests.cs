using CsCheck;
using Takt.Data;
using Takt.Evaluation;

namespace Takt.Tests.Evaluation;

public sealed class ScoresTests
{
    [Fact]
    public void Metrics_agree_with_their_definitions()
    {
        // by hand; scikit-learn 1.2: roc_auc_score 0.75, log_loss 0.4722879, brier 0.158125, f1 0.6667
        var metrics = new NumberScores([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], binary: true).Defined();
        Assert.Equal(0.75, metrics["auc"], 12);
        Assert.Equal(0.47228795, metrics["log_loss"], 7);
        Assert.Equal(0.158125, metrics["brier"], 12);
        Assert.Equal(2.0 / 3, metrics["f1"], 12);
        Assert.Equal(0.75, metrics["accuracy"], 12);
    }

    [Fact]
    public void Regression_metrics_agree_with_their_definitions()
    {
        // scikit-learn's own documentation example: r2 0.9486081370449679, mae 0.5, mse 0.375
        var metrics = new NumberScores([2.5, 0.0, 2, 8], [3, -0.5, 2, 7], binary: false).Defined();
        Assert.Equal(0.9486081370449679, metrics["r2"], 12);
        Assert.Equal(0.5, metrics["mae"], 12);
        Assert.Equal(Math.Sqrt(0.375), metrics["rmse"], 12);
    }

    static readonly string[] Classes = ["a", "b", "c"];

    static ClassScores OfClasses(IReadOnlyList<string> known, Column truth)
    {
        double[][] probabilities = [[.7, .5, .2, .8, .1, .3, .6, .2, .1, .4], [.2, .3, .6, .1, .8, .4, .3, .5, .2, .35], [.1, .2, .2, .1, .1, .3, .1, .3, .7, .25]];
        return ClassScores.Of(ClassScores.All(known, truth), truth, c => Array.IndexOf(Classes, c) is >= 0 and var k ? Column.Of(c, probabilities[k][..truth.Length]) : null);
    }

    [Fact]
    public void Metrics_of_classes_agree_with_scikit_learn_on_weighted_rows_too()
    {
        // scikit-learn 1.2: accuracy_score, log_loss, f1_score(average=…), balanced_accuracy_score, with and without sample_weight
        var scores = OfClasses(Classes, Column.Of("y", ["a", "a", "a", "a", "b", "b", "b", "c", "c", "a"]));
        var metrics = scores.Defined();
        foreach (var (name, expected) in Metric.Multiclass.Zip([0.7, 0.7702749155900112, 0.6793650793650795, 0.7, 0.6555555555555556, 0.5])) Assert.Equal(expected, metrics[name], 12);
        var weighted = new double[scores.Names.Count];
        scores.Compute([2, 0, 1, 3, 1, 0, 2, 1, 1, 1], weighted);
        Assert.Equal(0.6666666666666666, weighted[0], 12);
        Assert.Equal(0.6750205078632582, weighted[1], 12);
        Assert.Equal(0.6, weighted[2], 12);
        Assert.Equal(0.5634920634920635, weighted[4], 12);
        Assert.Equal([4, 1, 0, 1, 2, 0, 0, 1, 1], scores.Confusion().Counts.SelectMany(row => row));
    }

    [Fact]
    public void A_class_that_the_model_does_not_know_is_wrong_in_every_row_of_it_and_numbers_may_be_written_either_way()
    {
        var metrics = OfClasses(Classes, Column.Of("y", ["a", "new", "a", "new"])).Defined();
        Assert.Equal(0.25, metrics["accuracy"]);
        Assert.InRange(metrics["log_loss"], 18, 20); // two of four rows at the clip, 36 each
        Assert.Equal(0.5, metrics["majority_share"]);
        var numbers = ClassScores.Of(["1", "2"], Column.Of("y", ["1.0", "2"]), c => Column.Of(c, c == "1" ? [0.9, 0.1] : [0.1, 0.9]));
        Assert.Equal(1, numbers.Defined()["accuracy"]);
        Assert.Equal(["1", "2"], ClassScores.All(["1", "2"], Column.Of("y", ["1.0", "2"])));
    }

    [Fact]
    public void Auc_is_the_share_of_pairs_in_the_right_order() => Gen.Select(Gen.Int[0, 9].Array[2, 60], Gen.Bool.Array[60]).Sample((scores, labels) =>
    {
        var y = labels.Take(scores.Length).Select(l => l ? 1.0 : 0.0).ToArray();
        var s = scores.Select(v => v / 10.0).ToArray();
        if (y.Distinct().Count() < 2) return;
        double right = 0, pairs = 0;
        for (var i = 0; i < s.Length; i++)
            for (var j = 0; j < s.Length; j++)
                if (y[i] > y[j])
                {
                    pairs++;
                    right += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
                }
        Assert.Equal(right / pairs, new NumberScores(s, y, binary: true).Defined()["auc"], 9);
    }, iter: 300);

    [Fact]
    public void With_one_class_the_auc_is_undefined_and_says_why()
    {
        var (models, _) = Bootstrap.Of(new NumberScores([0.2, 0.3, 0.9], [0, 0, 0], binary: true));
        Assert.Null(models[0]["auc"].Value);
        Assert.Equal("all rows are of one class", models[0]["auc"].Reason);
    }

    [Fact]
    public void The_interval_holds_the_true_auc_about_as_often_as_it_says()
    {
        // two normals one apart: AUC = Φ(1/√2) = 0.7602
        var random = new Random(5);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        var held = 0;
        for (var trial = 0; trial < 100; trial++)
        {
            var label = Enumerable.Range(0, 300).Select(i => i % 2 == 0 ? 1.0 : 0.0).ToArray();
            var score = label.Select(l => 1 / (1 + Math.Exp(-(l + Normal())))).ToArray();
            var auc = Bootstrap.Of(new NumberScores(score, label, binary: true)).Models[0]["auc"];
            if (auc.Low <= 0.7602 && 0.7602 <= auc.High) held++;
        }
        Assert.InRange(held, 87, 100);
    }

    [Fact]
    public void A_model_compared_with_itself_differs_by_nothing()
    {
        var scores = new NumberScores([0.2, 0.7, 0.4, 0.9], [0, 1, 1, 0], binary: true);
        Assert.Equal(new Estimate(0, 0, 0), Bootstrap.Of(scores, scores).Differences[0]["log_loss"]);
    }
}
