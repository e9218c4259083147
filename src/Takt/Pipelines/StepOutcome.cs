namespace Takt.Pipelines;

/// <param name="Summary">One line for the terminal and the run page: what came out.</param>
/// <param name="Metrics">Logged to the stage's run.</param>
/// <param name="Tags">Logged to the stage's run: lineage such as <c>takt.dataset</c> = <c>flights@sha256:…</c> or <c>takt.model</c> = <c>flights@3</c>.</param>
public sealed record StepOutcome(string Summary, IReadOnlyDictionary<string, double> Metrics, IReadOnlyDictionary<string, string> Tags)
{
    public StepOutcome(string summary) : this(summary, new Dictionary<string, double>(), new Dictionary<string, string>()) { }
}
