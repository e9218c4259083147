using Takt.Data;

namespace Takt.Monitors;

/// <summary>What the predictions of a version are compared with.</summary>
/// <param name="Of">As people are told: <c>training</c>, a dataset's version, <c>first 1000 predictions</c>.</param>
/// <param name="Profile">Of columns under the names of the data; of predictions under the log's (<c>in_NAME</c>, <c>out_NAME</c>).</param>
/// <param name="Until">Windows that begin before it are part of the baseline; null: none is.</param>
public sealed record Baseline(string Of, TableProfile Profile, DateTimeOffset? Until = null)
{
    /// <summary>Whether the profile's columns are those of the prediction log.</summary>
    public bool IsOfLog => Until is not null;
}
