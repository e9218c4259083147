using Takt.Data;

namespace Takt.ML.Python;

/// <summary>One request's rows on their way through a pool.</summary>
/// <param name="columns">Fitted to the signature, in its order.</param>
/// <param name="parameters">As a JSON object; null: the model takes none, or their defaults.</param>
sealed class PythonCall(Column[] columns, int rows, string? parameters = null)
{
    readonly TaskCompletionSource<Table> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Column[] Columns => columns;

    public int Rows => rows;

    public string? Parameters => parameters;

    /// <summary>Milliseconds of <see cref="Environment.TickCount64"/>.</summary>
    public long Since { get; } = Environment.TickCount64;

    /// <summary>When a worker was given it and had answered, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/>; 0: not yet.</summary>
    public long Began { get; set; }

    /// <inheritdoc cref="Began"/>
    public long Ended { get; set; }

    /// <summary>Rows that the worker was given at once, those of others among them.</summary>
    public int Together { get; set; }

    /// <summary>It was given to a worker that was gone already.</summary>
    public bool TriedAgain { get; set; }

    public Task<Table> Answer => _answer.Task;

    public void Done(Table answer) => _answer.TrySetResult(answer);

    public void Fail(TaktException why) => _answer.TrySetException(why);

    /// <summary>Whoever asked has gone; a worker that has not begun need not.</summary>
    public void Cancel(CancellationToken cancel) => _answer.TrySetCanceled(cancel);
}
