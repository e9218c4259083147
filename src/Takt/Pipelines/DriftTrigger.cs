namespace Takt.Pipelines;

/// <summary><c>triggers: drift:</c> — an alert of this monitor starts the pipeline, at most once per <paramref name="Cooldown"/> of event time.</summary>
public sealed record DriftTrigger(string Monitor, TimeSpan Cooldown);
