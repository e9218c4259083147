using Takt.Data;

namespace Takt.Models;

/// <summary>Learns a model from a table and writes it as a model package.</summary>
public interface ITrainer
{
    /// <summary>As in <c>with: { algorithm: lightgbm }</c>.</summary>
    string Algorithm { get; }

    /// <summary>Deterministic: equal table, request and thread count give equal bytes.</summary>
    /// <param name="folder">Receives the package; exists and is empty.</param>
    /// <param name="log">A line per progress step.</param>
    /// <returns>Training metrics, such as <c>train.log_loss</c>.</returns>
    /// <exception cref="TaktException">Invalid: the target is missing, constant or not binary, no feature is left …</exception>
    IReadOnlyDictionary<string, double> Train(TrainingRequest request, Table table, string folder, TextWriter log, CancellationToken cancel);
}
