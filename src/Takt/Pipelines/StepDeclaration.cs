namespace Takt.Pipelines;

/// <summary>Files a step reads and writes, relative to the project's folder, with <c>/</c>. They make the arrows of the graph.</summary>
/// <param name="In">A file, a folder (ends with <c>/</c>) or a glob.</param>
/// <param name="Out">A file, or a folder that ends with <c>/</c>.</param>
/// <param name="Metrics">Outputs that hold metrics (JSON); kept in the lock and shown with the run.</param>
public sealed record StepDeclaration(IReadOnlyList<string> In, IReadOnlyList<string> Out, IReadOnlyList<string> Metrics)
{
    public StepDeclaration(IReadOnlyList<string> @in, IReadOnlyList<string> @out) : this(@in, @out, []) { }
}
