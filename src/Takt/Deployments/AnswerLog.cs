using System.Diagnostics;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>Writes down what endpoints answered: counts of the slot, rows of the prediction log with redacted columns left out.</summary>
sealed class AnswerLog(Func<string, PredictionLog> logs, TimeProvider time)
{
    long _unlogged;

    /// <summary>Requests that could not be logged because their log could not be opened.</summary>
    public long Unlogged => Volatile.Read(ref _unlogged);

    /// <summary>Logs and counts a request that was answered, here or by an LLM's upstream.</summary>
    public async ValueTask Done(Slot slot, string id, DateTimeOffset? eventTime, long start, Table? inputs, Table? outputs, string error, bool failed, IReadOnlyList<string>? keys = null)
    {
        var latency = Stopwatch.GetElapsedTime(start);
        slot.Stats.Count(latency, failed, failed ? 0 : inputs?.Rows ?? 1);
        var now = time.GetUtcNow();
        if ((!failed && !slot.TakesSample()) || Of(slot) is not { } log) return; // an error is always logged
        using var step = ServingTrace.Step("log");
        await log.Append(new PredictionBatch(id, eventTime ?? now, now, slot.Revision.Number, slot.Name, latency, Redacted(slot, inputs), Redacted(slot, outputs), error) { Trace = ServingTrace.Id, Keys = keys });
    }

    /// <summary>What a shadow answered, beside what the champion did; never waits long and never throws.</summary>
    public async Task Shadow(Slot slot, ShadowCopy copy, TimeSpan latency, double[]? difference, Table? outputs, string error)
    {
        if (Of(slot) is not { } log) return;
        var rows = copy.Inputs.Rows;
        var hidden = copy.Champion is { } champion && slot.IsRedacted(champion.Name);
        var facts = new Table([Column.Of("difference", difference is null || hidden ? Enumerable.Repeat(double.NaN, rows).ToArray() : difference)]);
        await log.AppendShadow(new PredictionBatch(copy.Id, copy.Time, copy.Received, slot.Revision.Number, slot.Name, latency, facts, Redacted(slot, outputs), error));
    }

    /// <summary>The slot's log; null: it can't be opened, which is counted.</summary>
    public PredictionLog? Of(Slot slot)
    {
        try
        {
            return logs(slot.Revision.Endpoint);
        }
        catch (Exception e) when (e is TaktException or IOException or UnauthorizedAccessException)
        {
            Interlocked.Increment(ref _unlogged); // an answer is worth more than its record
            return null;
        }
    }

    static Table? Redacted(Slot slot, Table? table)
    {
        if (table is null || slot.Revision.Spec.Redact is null || !table.Columns.Any(c => slot.IsRedacted(c.Name))) return table;
        return new Table(table.Columns.Select(c => !slot.IsRedacted(c.Name) ? c : c.Type switch
        {
            ColumnType.Number => Column.Of(c.Name, Enumerable.Repeat(double.NaN, c.Length).ToArray()),
            ColumnType.Text => Column.Of(c.Name, new string?[c.Length]),
            _ => Column.Over(c.Name, c.Type, c.Type == ColumnType.Boolean ? new bool[c.Length] : new long[c.Length], c.Length, Enumerable.Repeat(true, c.Length).ToArray()),
        }).ToList());
    }
}
