using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>A request that was answered, and that a shadow is asked again.</summary>
/// <param name="Inputs">Rows; of tensors, what the log keeps of them.</param>
/// <param name="Champion">What the champion gave: its first output, a value a row.</param>
sealed record ShadowCopy(string Id, DateTimeOffset Time, DateTimeOffset Received, Table Inputs, Column? Champion, TimeSpan Latency)
{
    /// <summary>What is asked, when it was tensors: copies.</summary>
    public IReadOnlyList<Tensor>? Tensors { get; init; }

    /// <summary>Numbers that it holds on to.</summary>
    public long Values => Tensors is null ? (long)Inputs.Rows * Math.Max(1, Inputs.Columns.Count) : Tensors.Sum(t => 1 + (t.Data.Length / sizeof(double)));
}
