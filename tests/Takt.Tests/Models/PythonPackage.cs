using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.Tests.Models;

/// <summary>A package with a <c>predict.py</c> in a folder that goes with the test.</summary>
sealed class PythonPackage : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("takt-python").FullName;

    public PythonPackage(string script, string inputs = "x: double", string outputs = "y: double")
    {
        File.WriteAllText(Path.Combine(Folder, "predict.py"), script);
        File.WriteAllText(Path.Combine(Folder, "MLmodel"), $"flavors: {{ predict_py: {{}} }}\nsignature:\n  inputs: {{ {inputs} }}\n  outputs: {{ {outputs} }}\n");
    }

    internal PythonRuntime.Model Load(RuntimeSettings? settings = null, string? python = null) => (PythonRuntime.Model)new PythonRuntime(python).Load(Folder, settings ?? new RuntimeSettings(Workers: 1));

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
