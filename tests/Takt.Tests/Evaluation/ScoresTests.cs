using CsCheck;
using Takt.Evaluation;

namespace Takt.Tests.Evaluation;

public sealed class ScoresTests
{
    [Fact]
    public void Metrics_agree_with_their_definitions()
    {
        // by hand; scikit-learn 1.2: roc_auc_score 0.75, log_loss 0.4722879, brier 0.158125, f1 0.6667
        var metrics = new Scores([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], binary: true).Defined();
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
        var metrics = new Scores([2.5, 0.0, 2, 8], [3, -0.5, 2, 7], binary: false).Defined();
        Assert.Equal(0.9486081370449679, metrics["r2"], 12);
        Assert.Equal(0.5, metrics["mae"], 12);
        Assert.Equal(Math.Sqrt(0.375), metrics["rmse"], 12);
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
        Assert.Equal(right / pairs, new Scores(s, y, binary: true).Defined()["auc"], 9);
    }, iter: 300);

    [Fact]
    public void With_one_class_the_auc_is_undefined_and_says_why()
    {
        var (models, _) = Bootstrap.Of(new Scores([0.2, 0.3, 0.9], [0, 0, 0], binary: true));
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
            var auc = Bootstrap.Of(new Scores(score, label, binary: true)).Models[0]["auc"];
            if (auc.Low <= 0.7602 && 0.7602 <= auc.High) held++;
        }
        Assert.InRange(held, 87, 100);
    }

    [Fact]
    public void A_model_compared_with_itself_differs_by_nothing()
    {
        var scores = new Scores([0.2, 0.7, 0.4, 0.9], [0, 1, 1, 0], binary: true);
        Assert.Equal(new Estimate(0, 0, 0), Bootstrap.Of(scores, scores).Differences[0]["log_loss"]);
    }
}
