namespace Takt.Storage;

/// <summary>One caller's work on its way through the <see cref="GroupWriter"/>.</summary>
abstract class QueuedWrite : GroupMember
{
    public abstract void Run(SqlSession session);
}

sealed class QueuedWrite<T>(Func<SqlSession, T> run) : QueuedWrite
{
    readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    T _result = default!;

    public Task<T> Done => _done.Task;

    public override void Run(SqlSession session) => _result = run(session);

    public override void Complete()
    {
        if (Failed is null) _done.SetResult(_result);
        else _done.SetException(Failed);
    }
}
