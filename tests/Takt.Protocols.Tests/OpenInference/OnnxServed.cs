using System.Runtime.InteropServices;
using Takt.Deployments;
using Takt.ML.Onnx;
using Takt.Models;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>A server with ONNX models behind the endpoints <c>same</c> (a tensor of every type), <c>image</c>, <c>line</c> and <c>columns</c> (tabular).</summary>
public sealed class OnnxServed : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-onnx").FullName;

    internal ServedModel Served { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Served = await ServedModel.Start(grpc: true);
        var same = new OnnxGraph("same");
        foreach (var type in Enum.GetValues<TensorType>())
        {
            same.Input($"in_{type}", type, -1, 2);
            same.Output($"out_{type}", type, -1, 2);
            same.Node("Identity", [$"in_{type}"], [$"out_{type}"]);
        }
        await Register("same", same);

        var image = new OnnxGraph("image");
        image.Input("image", TensorType.Fp32, -1, 3, 8, 8);
        image.Input("gain", TensorType.Fp32);
        image.Output("mean", TensorType.Fp32, -1, 3, 1, 1);
        image.Output("brighter", TensorType.Fp32, -1, 3, 8, 8);
        image.Node("Mul", ["image", "gain"], ["brighter"]);
        image.Node("GlobalAveragePool", ["brighter"], ["mean"]);
        await Register("image", image);

        // 2 a + 3 b + 1
        var line = new OnnxGraph("line");
        line.Input("X", TensorType.Fp32, -1, 2);
        line.Output("y", TensorType.Fp32, -1, 1);
        line.Constant(new Tensor("w", TensorType.Fp32, [2, 1], Floats(2, 3)));
        line.Constant(new Tensor("c", TensorType.Fp32, [1], Floats(1)));
        line.Node("MatMul", ["X", "w"], ["xw"]);
        line.Node("Add", ["xw", "c"], ["y"]);
        await Register("line", line, """
              inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "double", "name": "b", "required": true}]'
              outputs: '[{"type": "float", "name": "y", "required": true}]'
            """);

        var columns = new OnnxGraph("columns");
        columns.Input("n", TensorType.Int64, -1, 1);
        columns.Input("s", TensorType.Bytes, -1, 1);
        columns.Output("twice", TensorType.Int64, -1, 1);
        columns.Output("same", TensorType.Bytes, -1, 1);
        columns.Node("Add", ["n", "n"], ["twice"]);
        columns.Node("Identity", ["s"], ["same"]);
        await Register("columns", columns);

        string[] names = ["same", "image", "line", "columns"];
        var app = Served.Server.App;
        foreach (var name in names) await app.Deployments.Deploy(new DeploymentSpec(name, [1], TimeSpan.Zero, 0, [], null, true, null), name + "@1");
        while (names.Any(n => app.Router.Find(n) is null))
        {
            foreach (var name in names) Assert.Null(app.Rollouts.WhyNotServed(name));
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Served.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>As MLflow logs it.</summary>
    internal string Package(string name, byte[] model, string? signature)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), model);
        File.WriteAllText(Path.Combine(folder, "MLmodel"), $"flavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.16.0\n    providers:\n    - CPUExecutionProvider\n  python_function:\n    loader_module: mlflow.onnx\n    data: model.onnx\n{(signature is null ? "" : $"signature:\n{signature}\n")}");
        return folder;
    }

    internal static byte[] Floats(params float[] values) => MemoryMarshal.AsBytes<float>(values).ToArray();

    Task Register(string name, OnnxGraph graph, string? signature = null) =>
        Served.Server.App.Models.Register(new RegisterModel(name, Package(name, graph.ToArray(), signature), null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
}
