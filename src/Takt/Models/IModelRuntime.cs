namespace Takt.Models;

/// <summary>Loads one kind of model package (LightGBM, ONNX, …).</summary>
public interface IModelRuntime
{
    /// <summary>The MLmodel flavor it serves, such as <c>lightgbm</c>.</summary>
    string Flavor { get; }

    /// <param name="folder">A model package: a folder with an <c>MLmodel</c> file that names <see cref="Flavor"/>.</param>
    /// <exception cref="TaktException">Invalid: the package is damaged; the message names the file.</exception>
    ILoadedModel Load(string folder);

    /// <inheritdoc cref="Load(string)"/>
    /// <param name="settings">A runtime that has no choice passes over them.</param>
    ILoadedModel Load(string folder, RuntimeSettings settings) => Load(folder);
}
