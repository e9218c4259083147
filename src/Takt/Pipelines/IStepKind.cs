namespace Takt.Pipelines;

/// <summary>
/// A built-in step: what <c>uses: takt/NAME@1</c> runs. The later stages of the line implement these (train, gate, deploy …), so that the
/// loop needs no arrow back.
/// </summary>
public interface IStepKind
{
    /// <summary>Without the <c>takt/</c> and the version: <c>train-tabular</c>.</summary>
    string Name { get; }

    /// <summary>Part of the cache key: raised when the same inputs would give another output.</summary>
    int Version => 1;

    /// <summary>Its outputs are all that it leaves: no dataset, no version, no deployment. Then a result that was made elsewhere can stand for it.</summary>
    bool OnlyWritesOutputs => false;

    /// <summary>
    /// Reads and checks every argument (a key that is never asked for is an unknown key) and tells which files the step reads and writes.
    /// Called when the project file is read: no file or row is touched here.
    /// </summary>
    StepDeclaration Declare(StepArguments with);

    /// <summary>
    /// What else the result depends on, for the cache key, such as <c>champion = flights@3</c>. Called when all inputs are there, just before the
    /// key is made.
    /// </summary>
    ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel) => new(Nothing);

    /// <summary>
    /// Does what the step once did still stand? A step that changes something beside its output files (an alias, a deployment) looks there, since
    /// somebody else may have changed it since.
    /// </summary>
    /// <param name="tags">As the step told them when it ran.</param>
    ValueTask<bool> StillHolds(StepContext context, IReadOnlyDictionary<string, string> tags, CancellationToken cancel) => new(true);

    /// <exception cref="TaktException">The stage fails with this message.</exception>
    /// <exception cref="GateNotPassedException">The stage is stopped by a rule, not by a fault (exit code 3).</exception>
    Task<StepOutcome> Run(StepContext context, CancellationToken cancel);

    private static readonly IReadOnlyDictionary<string, string> Nothing = new Dictionary<string, string>();
}
