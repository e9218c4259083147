using System.Runtime.ExceptionServices;
using Takt.Monitors;
using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Server;

/// <summary>Where the line becomes a loop: monitors are looked at, and what their alerts trigger is run, one pipeline at a time.</summary>
public sealed class ClosedLoop(MonitorWatch monitors, PipelineRunner pipelines)
{
    readonly SemaphoreSlim _ticking = new(1);

    /// <summary>Judges the windows that are ready, of one monitor or of all. One that can't be judged does not hold the others up.</summary>
    /// <exception cref="TaktException">What could not be judged, and why.</exception>
    public async Task<int> Tick(string? monitor = null, CancellationToken cancel = default)
    {
        await _ticking.WaitAsync(cancel);
        try
        {
            var project = pipelines.LoadProject();
            var judged = 0;
            var faults = new List<(string Monitor, Exception Fault)>();
            foreach (var spec in project.Monitors.Where(m => monitor is null || m.Name == monitor))
                try
                {
                    judged += await monitors.Tick(spec, project.DriftTriggers.FirstOrDefault(t => t.Monitor == spec.Name));
                }
                catch (Exception e) when (!cancel.IsCancellationRequested)
                {
                    faults.Add((spec.Name, e));
                }
            if (faults.Find(f => f.Fault is not TaktException) is { Fault: { } bug }) ExceptionDispatchInfo.Throw(bug);
            if (faults.Count > 0) throw new TaktException(((TaktException)faults[0].Fault).Error, faults.Select(f => $"monitor {f.Monitor}: {f.Fault.Message}").ToList());
            return judged;
        }
        finally
        {
            _ticking.Release();
        }
    }

    /// <summary>Runs the pipeline for the oldest trigger that waits.</summary>
    /// <returns>False when none waits.</returns>
    /// <exception cref="Exception">A bug, for the log; the trigger is over, with the fault as its outcome.</exception>
    public async Task<bool> RunNext(CancellationToken cancel)
    {
        if (await monitors.Table.Take(cancel) is not { } taken) return false;
        await using var lease = taken.Lease;
        try
        {
            if (taken.Again) await pipelines.EndVanished(); // what the other server ran for it
            var result = await pipelines.Run(new PipelineRequest([], Trigger: taken.Trigger.Kind), cancel: lease.Token);
            await monitors.Table.End(taken, result.Run.Value, result.NothingRan ? TriggerEvent.Unchanged : result.Succeeded ? "succeeded" : result.StoppedByGate ? "gate not passed" : "failed");
        }
        catch (Exception) when (cancel.IsCancellationRequested)
        {
            await monitors.Table.GiveBack(taken);
            throw;
        }
        catch (Exception) when (lease.IsLost)
        {
            // another server is at it: this one was not heard of for too long
        }
        catch (Exception e)
        {
            await monitors.Table.End(taken, null, e is TaktException ? e.Message : $"a bug in Takt: {e.GetType().Name}: {e.Message}");
            if (e is not TaktException) throw;
        }
        return true;
    }
}
