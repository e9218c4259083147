namespace Takt.Runs;

/// <summary>Where a <c>run:</c> command runs: this machine, Slurm, Kubernetes.</summary>
public interface IExecutor
{
    /// <summary>Runs the command to its end; its output goes to the log file as it comes.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="TaktException">Unavailable: it could not be started; Cancelled: it ran over its time.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; all its processes are gone.</exception>
    Task<int> Run(CommandRun command, CancellationToken cancel);

    /// <summary>Ends what is left of a command whose process that waited for it was killed.</summary>
    /// <param name="log">The log that the command was given.</param>
    void EndLeftover(string log);
}
