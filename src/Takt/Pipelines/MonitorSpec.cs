namespace Takt.Pipelines;

/// <summary>An entry of <c>monitor:</c>: what to watch on an endpoint, and when it is an alert.</summary>
/// <param name="Window">Length of a window of event time.</param>
/// <param name="MinRows">Windows with fewer predictions are not judged.</param>
/// <param name="Threshold">PSI of a column, of the score or of the label, from which on it is drift.</param>
/// <param name="Metric">Performance metric by labels, such as <c>log_loss</c> or <c>auc</c>; null: none.</param>
/// <param name="Drop">How much worse than the reference the metric may be (absolute).</param>
/// <param name="Calibration">How far the mean prediction may be from what happened, 0 to 1; null: not watched.</param>
/// <param name="Baseline">Null: the training profile where there is one.</param>
/// <param name="Silence">After so long without a prediction there is an alert; null: none.</param>
public sealed record MonitorSpec(
    string Name, string Endpoint, TimeSpan Window, long MinRows, double Threshold, string? Metric, double Drop, double? Calibration, BaselineSpec? Baseline = null, TimeSpan? Silence = null)
{
    /// <summary>How much later than it happened a prediction may come, and still find its window open when nothing else comes.</summary>
    public TimeSpan Lateness { get; init; } = TimeSpan.FromMinutes(5);
}
