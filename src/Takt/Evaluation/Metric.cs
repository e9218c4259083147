namespace Takt.Evaluation;

/// <summary>Names of metrics, and which way is better.</summary>
public static class Metric
{
    public static readonly IReadOnlyList<string> Binary =
        ["auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1", "positive_rate", "mean_score", "calibration_gap"];

    /// <summary><c>majority_share</c> is no merit of the model: the accuracy of always saying the class that most of these rows have, which it should beat.</summary>
    public static readonly IReadOnlyList<string> Multiclass = ["accuracy", "log_loss", "macro_f1", "micro_f1", "balanced_accuracy", "majority_share"];

    public static readonly IReadOnlyList<string> Regression = ["rmse", "mae", "r2", "mean_score"];

    /// <summary>Whether a smaller value is the better one.</summary>
    public static bool LowerIsBetter(string name) => name is "log_loss" or "brier" or "rmse" or "mae" or "calibration_gap";
}
