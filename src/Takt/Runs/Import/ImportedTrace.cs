using Takt.Runs.Traces;

namespace Takt.Runs.Import;

/// <summary>A trace as another tracking server, or an mlruns folder, has it, with its assessments; spans are asked for apart.</summary>
public sealed record ImportedTrace(TraceInfo Info)
{
    /// <summary>Changes when the source's trace has gone on since, or somebody has said something of it.</summary>
    public string Mark => $"{Info.State}|{Info.Duration}|{Info.Assessments.Count}|{Info.Assessments.Select(a => a.Updated).DefaultIfEmpty().Max()}|{string.Join('|', Info.Tags.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => $"{t.Key}={t.Value}"))}";
}
