using System.Diagnostics;
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

    /// <summary>Copies of an answered request, for those shadows only whose sample it is in. The batch is used again by the next request: its rows are copied.</summary>
    public static void Offer(Shadow[] shadows, DateTimeOffset now, Slot slot, PredictionId id, long start, RowBatch rows)
    {
        double[]? kept = null;
        Table? table = null;
        foreach (var shadow in shadows)
        {
            if (!shadow.TakesSample()) continue;
            kept ??= rows.Scores.ToArray();
            table ??= rows.ToTable(slot.Model!.Rows!.Features);
            shadow.Offer(new ShadowCopy(id.ToString(), now, now, table, Column.Of(slot.Model!.Rows!.Output.Name, kept), Stopwatch.GetElapsedTime(start)));
        }
    }

    /// <inheritdoc cref="Offer(Shadow[], DateTimeOffset, Slot, PredictionId, long, RowBatch)"/>
    public static void Offer(Shadow[] shadows, DateTimeOffset now, string id, DateTimeOffset? eventTime, long start, Table inputs, Table outputs, IReadOnlyList<Tensor>? tensors)
    {
        IReadOnlyList<Tensor>? copies = null; // the request's buffer is somebody else's soon
        foreach (var shadow in shadows)
            if (shadow.TakesSample())
                shadow.Offer(new ShadowCopy(id, eventTime ?? now, now, inputs, outputs.Columns.Count > 0 ? outputs.Columns[0] : null, Stopwatch.GetElapsedTime(start)) { Tensors = copies ??= tensors?.Select(t => t.Copy()).ToList() });
    }
}
