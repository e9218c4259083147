using System.Globalization;

namespace Takt.Pipelines;

/// <summary>What a monitor compares with instead of the training profile; one of the three.</summary>
/// <param name="Dataset">A version of a dataset: <c>flights@main</c>.</param>
/// <param name="Predictions">So many predictions, the first that a version answered.</param>
/// <param name="Time">The predictions of the first so much event time of a version.</param>
public sealed record BaselineSpec(string? Dataset, long? Predictions, TimeSpan? Time)
{
    public override string ToString() => Dataset ?? (Predictions is { } rows ? string.Create(CultureInfo.InvariantCulture, $"first {rows} predictions") : string.Create(CultureInfo.InvariantCulture, $"first {Time:c}"));
}
