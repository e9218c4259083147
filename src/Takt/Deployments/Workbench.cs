using System.Collections.Concurrent;
using System.Diagnostics;

namespace Takt.Deployments;

/// <summary>
/// Threads for models that compute for long. On the pool's few they would hold up the bytes of every other request: what is refused would hear of it as late as what is answered.
/// </summary>
/// <remarks>How many compute at once is each slot's <see cref="Turnstile"/> to say; here are only as many threads as ever make sense.</remarks>
static class Workbench
{
    /// <summary>Requests that take longer, in ms, come here: the change of threads costs about 0.02.</summary>
    public const double From = 1;

    static readonly Lazy<BlockingCollection<Action>> Work = new(() =>
    {
        var work = new BlockingCollection<Action>();
        for (var i = Math.Max(8, 4 * Environment.ProcessorCount); i > 0; i--)
            new Thread(() =>
            {
                foreach (var one in work.GetConsumingEnumerable()) one();
            })
            { IsBackground = true, Name = "workbench" }.Start();
        return work;
    });

    public static Task<T> Run<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var traced = Activity.Current;
        Work.Value.Add(() =>
        {
            Activity.Current = traced;
            try
            {
                done.SetResult(work());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }
}
