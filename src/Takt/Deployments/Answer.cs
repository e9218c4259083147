using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <param name="Id">Of the prediction; row n is <c>ID:n</c>.</param>
/// <param name="Outputs">A row of answers per row; of tensors, what the log keeps of them.</param>
public sealed record Answer(string Id, Revision Revision, Signature Signature, Table Outputs)
{
    /// <summary>What was given to a request of tensors; null: rows were asked for.</summary>
    public IReadOnlyList<Tensor>? Tensors { get; init; }
}
