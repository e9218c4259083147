namespace Takt.Runs.Import;

/// <summary>A run as another tracking server, or an mlruns folder, has it; points and artifacts are asked for apart.</summary>
/// <param name="Metrics">The names of its metrics.</param>
/// <param name="ArtifactUri">Where the source keeps its artifacts.</param>
public sealed record ImportedRun(
    string Id, string Name, string User, RunStatus Status, bool Deleted, long Started, long? Ended, string ArtifactUri,
    IReadOnlyList<string> Metrics, IReadOnlyList<KeyValuePair<string, string>> Params, IReadOnlyList<KeyValuePair<string, string>> Tags,
    IReadOnlyList<RunInput> Inputs, IReadOnlyList<string> ModelInputs, IReadOnlyList<RunOutput> Outputs)
{
    /// <summary>Changes when the source's run has gone on since.</summary>
    public string Mark => $"{Status}|{Ended}|{Deleted}|{Name}";
}
