namespace Takt.Models;

/// <summary>What a package tells of a model that only Python can run.</summary>
/// <param name="Script">The user's own <c>predict.py</c>, within the package; null: it is MLflow's <c>python_function</c>.</param>
/// <param name="Pickle">A scikit-learn model's pickle, which can be opened without mlflow too; null: there is none.</param>
/// <param name="Method">The pickled model's method that answers.</param>
/// <param name="Code">Folders with modules that the model needs, within the package.</param>
/// <param name="Matrix">The model takes one array of rows × inputs, of this numpy type; null: it takes named columns.</param>
/// <param name="Example">A file with rows that it was logged with; null: none.</param>
/// <param name="OutputsAreKnown">The signature names the outputs; otherwise the first answer does.</param>
public sealed record PythonModel(string? Script, string? Pickle, string Method, IReadOnlyList<string> Code, string? Matrix, string? Example, bool OutputsAreKnown)
{
    public const string Flavor = "python_function";

    /// <summary>The flavor of a package with a <c>predict.py</c>.</summary>
    public const string ScriptFlavor = "predict_py";
}
