namespace Takt.Runs;

/// <summary>A logged model that a run made.</summary>
public sealed record RunOutput(string Model, long Step);
