using System.IO.Hashing;
using System.Runtime.InteropServices;
using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>A revision in memory: its model, ready to answer, and its counts. Replaced, never changed; disposed when the last request has left it.</summary>
public sealed class Slot(Revision revision, ILoadedModel? model, int inside = 0, int waiting = -1) : IDisposable
{
    /// <summary>Requests that may wait for their turn.</summary>
    public const int Queue = 1024;

    int _users = 1; // one is the router's own
    Shadow[]? _shadows;
    Tuple<PredictionLog, LogSource>? _logged; // one reference, for it is read while it is written

    public Revision Revision { get; } = revision;

    /// <summary>Null for an LLM revision.</summary>
    public ILoadedModel? Model { get; } = model;

    public SlotStats Stats { get; } = new();

    /// <summary>Those that get copies of what it answers; null: none. Set by the router.</summary>
    internal Shadow[]? Shadows
    {
        get => Volatile.Read(ref _shadows);
        set => Volatile.Write(ref _shadows, value);
    }

    /// <summary>Bounds how many requests compute at once and how many wait.</summary>
    public Turnstile Turn { get; } = new(
        InsideOf(inside, revision.Spec.Limits?.AtOnce ?? 0),
        waiting >= 0 ? waiting : revision.Spec.Limits?.Waiting ?? Queue);

    /// <summary>Requests that compute at once, at most.</summary>
    public int Inside { get; } = InsideOf(inside, revision.Spec.Limits?.AtOnce ?? 0);

    /// <summary>No more than the model can take, where it says how many.</summary>
    static int InsideOf(int inside, int wanted) => inside > 0 ? wanted > 0 ? Math.Min(inside, wanted) : inside : wanted > 0 ? wanted : Math.Max(4, Environment.ProcessorCount * 2);

    /// <summary>Rows of one request, at most.</summary>
    public int MostRows { get; } = revision.Spec.Limits?.Rows ?? LimitSpec.MostRows;

    /// <exception cref="TaktException">TooLarge.</exception>
    public void RequireRows(int rows)
    {
        if (rows > MostRows) throw new TaktException(TaktError.TooLarge, $"the request has {rows} rows; '{Revision.Endpoint}' takes {MostRows}: split it");
    }

    /// <summary>The number as text, as protocols want it.</summary>
    public string Version { get; } = revision.Number.ToString();

    /// <summary>Mixed into the hashes of clients' keys.</summary>
    internal long Salt { get; } = (long)XxHash3.HashToUInt64(MemoryMarshal.AsBytes(revision.Endpoint.AsSpan()), revision.Number);

    /// <summary>What answers, as the log names it.</summary>
    public string Name { get; } = revision.Name;

    /// <summary>The last request has left it and its model's memory is free.</summary>
    public bool Gone => Volatile.Read(ref _users) == 0;

    /// <returns>False when the slot is on its way out: take the router's current one instead.</returns>
    public bool TryEnter()
    {
        for (var users = Volatile.Read(ref _users); users > 0; users = Volatile.Read(ref _users))
            if (Interlocked.CompareExchange(ref _users, users + 1, users) == users) return true;
        return false;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _users) == 0) Model?.Dispose();
    }

    /// <summary>The router lets go of it; requests inside end first.</summary>
    public void Dispose() => Leave();

    internal bool IsRedacted(string column) => Revision.Spec.Redact is { } redact && redact.Contains(column, StringComparer.Ordinal);

    /// <summary>Which of the model's features, in order, are redacted; null: none.</summary>
    internal bool[]? Redacted { get; } = revision.Spec.Redact is { Count: > 0 } redact && model?.Rows is { } rows ? rows.Features.Select(f => redact.Contains(f.Name, StringComparer.Ordinal)).ToArray() : null;

    /// <summary>Whether one more prediction is logged: all, or the share that is wanted.</summary>
    internal bool TakesSample() => Revision.Spec.LogSample >= 1 || Random.Shared.NextDouble() < Revision.Spec.LogSample;

    /// <summary>Its columns in the log, told to the log once.</summary>
    internal LogSource Source(PredictionLog log, RowScorer rows)
    {
        if (Volatile.Read(ref _logged) is { } logged && logged.Item1 == log) return logged.Item2;
        var source = log.Source(Revision.Number, Name, rows.Features.Select(f => new LogColumn(f.Name, TypeOf(f.Type))).ToList(), [new LogColumn(rows.Output.Name, ColumnType.Number)]);
        Volatile.Write(ref _logged, Tuple.Create(log, source));
        return source;
    }

    static ColumnType TypeOf(FieldType type) => type switch
    {
        FieldType.Boolean => ColumnType.Boolean,
        FieldType.Float or FieldType.Double => ColumnType.Number,
        FieldType.String or FieldType.Binary => ColumnType.Text,
        _ => ColumnType.Integer,
    };
}
