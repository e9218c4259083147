namespace Takt.Models;

/// <summary>Loads one kind of model package (LightGBM, ONNX, …).</summary>
public interface IModelRuntime
{
    /// <summary>The MLmodel flavor it serves, such as <c>lightgbm</c>.</summary>
    string Flavor { get; }

    /// <param name="folder">A model package: a folder with an <c>MLmodel</c> file that names <see cref="Flavor"/>.</param>
    /// <exception cref="TaktException">Invalid: the package is damaged; the message names the file.</exception>
    ILoadedModel Load(string folder);

    /// <summary>Writes the model as a package of another flavor, once that has answered rows made of its thresholds as it does itself.</summary>
    /// <param name="to">The flavor, such as <c>onnx</c>.</param>
    /// <param name="target">An empty folder; of no use when this fails.</param>
    /// <returns>What was compared: <c>rows</c>, <c>max_difference</c> (of 1 + the answer's size).</returns>
    /// <exception cref="TaktException">NotSupported: this model has no such form; the message says why. Invalid: the two answer differently.</exception>
    IReadOnlyDictionary<string, double> Convert(string folder, string to, string target) => throw new TaktException(TaktError.NotSupported, $"a {Flavor} model can't be converted to {to}; lightgbm, xgboost and mlnet models can, to onnx");

    /// <inheritdoc cref="Load(string)"/>
    /// <param name="settings">A runtime that has no choice passes over them.</param>
    ILoadedModel Load(string folder, RuntimeSettings settings) => Load(folder);
}
