namespace Takt.Evaluation;

/// <summary>Names of metrics, and which way is better.</summary>
public static class Metric
{
    public static readonly IReadOnlyList<string> Binary =
        ["auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1", "positive_rate", "mean_score", "calibration_gap"];

    public static readonly IReadOnlyList<string> Regression = ["rmse", "mae", "r2", "mean_score"];

    /// <summary>Whether a smaller value is the better one.</summary>
    public static bool LowerIsBetter(string name) => name is "log_loss" or "brier" or "rmse" or "mae" or "calibration_gap";
}
