namespace Takt.Runs.Import;

/// <summary>An experiment as another tracking server, or an mlruns folder, has it.</summary>
public sealed record ImportedExperiment(string Id, string Name, bool Deleted, DateTimeOffset Created, DateTimeOffset Updated, IReadOnlyList<KeyValuePair<string, string>> Tags);
