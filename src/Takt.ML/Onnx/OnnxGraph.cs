using Takt.Models;

namespace Takt.ML.Onnx;

/// <summary>An ONNX model that is being written (onnx/onnx.proto, IR version 8): nodes in the order in which they run.</summary>
sealed class OnnxGraph(string name)
{
    /// <summary>The operator sets that it is written for: of 2021, which every ONNX Runtime of these years runs.</summary>
    const int Opset = 15, MlOpset = 3, IrVersion = 8;

    public const string MlDomain = "ai.onnx.ml";

    readonly ProtoWriter _graph = new();
    bool _ml;

    /// <param name="shape">-1: any length.</param>
    public void Input(string input, TensorType type, params ReadOnlySpan<long> shape) => _graph.Message(11, Value(input, type, shape));

    /// <inheritdoc cref="Input"/>
    public void Output(string output, TensorType type, params ReadOnlySpan<long> shape) => _graph.Message(12, Value(output, type, shape));

    /// <param name="attributes">long, float, string, or lists of them.</param>
    public void Node(string op, IReadOnlyList<string> inputs, IReadOnlyList<string> outputs, params ReadOnlySpan<(string Name, object Value)> attributes) => Node("", op, inputs, outputs, attributes);

    /// <inheritdoc cref="Node(string, IReadOnlyList{string}, IReadOnlyList{string}, ReadOnlySpan{ValueTuple{string, object}})"/>
    public void Node(string domain, string op, IReadOnlyList<string> inputs, IReadOnlyList<string> outputs, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        var node = new ProtoWriter();
        foreach (var input in inputs) node.Text(1, input);
        foreach (var output in outputs) node.Text(2, output);
        node.Text(3, $"{op}_{outputs[0]}");
        node.Text(4, op);
        foreach (var (attribute, value) in attributes) node.Message(5, Attribute(attribute, value));
        if (domain.Length > 0) node.Text(7, domain);
        _ml |= domain == MlDomain;
        _graph.Message(1, node);
    }

    public void Constant(Tensor tensor)
    {
        var proto = new ProtoWriter();
        proto.Packed(1, tensor.Shape);
        proto.Number(2, ElementOf(tensor.Type));
        proto.Text(8, tensor.Name);
        proto.Bytes(9, tensor.Data.Span);
        _graph.Message(5, proto);
    }

    public byte[] ToArray()
    {
        var model = new ProtoWriter();
        model.Number(1, IrVersion);
        model.Text(2, "takt");
        _graph.Text(2, name);
        model.Message(7, _graph);
        model.Message(8, Set("", Opset));
        if (_ml) model.Message(8, Set(MlDomain, MlOpset));
        return model.ToArray();
    }

    static ProtoWriter Set(string domain, int version)
    {
        var set = new ProtoWriter();
        set.Text(1, domain);
        set.Number(2, version);
        return set;
    }

    static ProtoWriter Value(string name, TensorType type, ReadOnlySpan<long> shape)
    {
        var dimensions = new ProtoWriter();
        var any = 0;
        foreach (var length in shape)
        {
            var dimension = new ProtoWriter();
            if (length >= 0) dimension.Number(1, length);
            else dimension.Text(2, any++ == 0 ? "rows" : $"n{any}");
            dimensions.Message(1, dimension);
        }
        var tensor = new ProtoWriter();
        tensor.Number(1, ElementOf(type));
        tensor.Message(2, dimensions);
        var kind = new ProtoWriter();
        kind.Message(1, tensor);
        var value = new ProtoWriter();
        value.Text(1, name);
        value.Message(2, kind);
        return value;
    }

    static ProtoWriter Attribute(string name, object value)
    {
        var attribute = new ProtoWriter();
        attribute.Text(1, name);
        var type = 0;
        switch (value)
        {
            case float one: attribute.Single(2, one); type = 1; break;
            case long one: attribute.Number(3, one); type = 2; break;
            case string one: attribute.Text(4, one); type = 3; break;
            case List<float> list: attribute.Packed(7, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(list)); type = 6; break;
            case List<long> list: attribute.Packed(8, list); type = 7; break;
            case List<string> list:
                foreach (var text in list) attribute.Text(9, text);
                type = 8;
                break;
            default: throw new ArgumentException($"an attribute can't be {value.GetType().Name}", nameof(value));
        }
        attribute.Number(20, type);
        return attribute;
    }

    /// <summary>TensorProto.DataType.</summary>
    static int ElementOf(TensorType type) => type switch
    {
        TensorType.Fp32 => 1,
        TensorType.Uint8 => 2,
        TensorType.Int8 => 3,
        TensorType.Uint16 => 4,
        TensorType.Int16 => 5,
        TensorType.Int32 => 6,
        TensorType.Int64 => 7,
        TensorType.Bytes => 8,
        TensorType.Bool => 9,
        TensorType.Fp16 => 10,
        TensorType.Fp64 => 11,
        TensorType.Uint32 => 12,
        TensorType.Uint64 => 13,
        _ => 16,
    };
}
