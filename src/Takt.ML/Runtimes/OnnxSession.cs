using System.Buffers.Binary;
using Microsoft.ML.OnnxRuntime;
using Takt.Models;
using TensorElementType = Microsoft.ML.OnnxRuntime.Tensors.TensorElementType;

namespace Takt.ML.Runtimes;

/// <summary>One ONNX model in ONNX Runtime's memory, which is all given back when it is disposed: arena, weights and threads are the session's own.</summary>
/// <remarks>
/// One thread a request and no spinning: measured, two requests at once with one thread each do more than one request with two, at any batch size.
/// </remarks>
sealed class OnnxSession : TensorModel, IDisposable
{
    static readonly (TensorElementType Onnx, TensorType Type)[] Types =
    [
        (TensorElementType.Bool, TensorType.Bool), (TensorElementType.UInt8, TensorType.Uint8), (TensorElementType.UInt16, TensorType.Uint16),
        (TensorElementType.UInt32, TensorType.Uint32), (TensorElementType.UInt64, TensorType.Uint64), (TensorElementType.Int8, TensorType.Int8),
        (TensorElementType.Int16, TensorType.Int16), (TensorElementType.Int32, TensorType.Int32), (TensorElementType.Int64, TensorType.Int64),
        (TensorElementType.Float16, TensorType.Fp16), (TensorElementType.BFloat16, TensorType.Bf16), (TensorElementType.Float, TensorType.Fp32),
        (TensorElementType.Double, TensorType.Fp64), (TensorElementType.String, TensorType.Bytes),
    ];

    readonly InferenceSession _session;
    readonly RunOptions _options = new();
    readonly string[] _inputNames, _outputNames;

    OnnxSession(InferenceSession session, List<TensorField> inputs, List<TensorField> outputs) : base(inputs, outputs)
    {
        _session = session;
        _inputNames = [.. inputs.Select(f => f.Name)];
        _outputNames = [.. outputs.Select(f => f.Name)];
    }

    /// <exception cref="TaktException">Invalid: no ONNX model, or a damaged one. NotSupported: it takes or gives what has no tensor form on the wire.</exception>
    public static OnnxSession Open(string path)
    {
        InferenceSession session;
        try
        {
            using var options = new SessionOptions
            {
                IntraOpNumThreads = 1,
                InterOpNumThreads = 1,
                ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            };
            options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
            session = new InferenceSession(path, options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new TaktException(TaktError.Invalid, $"{path} can't be loaded by ONNX Runtime: {Words(e)}", e);
        }
        try
        {
            var faults = new List<string>();
            var inputs = session.InputNames.Select(name => Field(name, session.InputMetadata[name], "input", faults)).OfType<TensorField>().ToList();
            var outputs = session.OutputNames.Select(name => Field(name, session.OutputMetadata[name], "output", faults)).OfType<TensorField>().ToList();
            if (faults.Count > 0) throw new TaktException(TaktError.NotSupported, faults.ConvertAll(f => $"{path}: {f}"));
            return new OnnxSession(session, inputs, outputs);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public override IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs)
    {
        var names = outputs.Count == 0 ? _outputNames : [.. _outputNames.Where(outputs.Contains)];
        var values = new OrtValue[_inputNames.Length];
        try
        {
            for (var i = 0; i < values.Length; i++) values[i] = ValueOf(inputs.First(t => t.Name == _inputNames[i]));
            using var results = _session.Run(_options, _inputNames, values, names);
            var given = new Tensor[names.Length];
            for (var i = 0; i < given.Length; i++) given[i] = TensorOf(names[i], results[i]);
            return given;
        }
        catch (OnnxRuntimeException e)
        {
            throw new TaktException(TaktError.Invalid, $"ONNX Runtime: {Words(e)}", e);
        }
        finally
        {
            foreach (var value in values) value?.Dispose();
        }
    }

    public void Dispose()
    {
        _options.Dispose();
        _session.Dispose();
    }

    /// <summary>The first line: what follows it are places in the library's source.</summary>
    internal static string Words(OnnxRuntimeException e)
    {
        const int Longest = 500;
        var text = e.Message.Split('\n')[0].Trim();
        return text.Length <= Longest ? text : text[..Longest] + "…";
    }

    static TensorField? Field(string name, NodeMetadata metadata, string side, List<string> faults)
    {
        if (metadata.OnnxValueType == OnnxValueType.ONNX_TYPE_SEQUENCE && side == "output")
            return new TensorField(name, TensorType.Fp32, [-1, -1]); // a list of {class: probability}, as scikit-learn's converter has it: a matrix, classes in their order
        if (!metadata.IsTensor)
        {
            faults.Add($"{side} '{name}' is {metadata.OnnxValueType}, not a tensor; convert the model without it");
            return null;
        }
        foreach (var (onnx, type) in Types)
            if (onnx == metadata.ElementDataType) return new TensorField(name, type, [.. metadata.Dimensions.Select(d => (long)d)]);
        faults.Add($"{side} '{name}' holds {metadata.ElementDataType}, which no protocol has a datatype for");
        return null;
    }

    static OrtValue ValueOf(Tensor tensor)
    {
        if (tensor.Type != TensorType.Bytes)
        {
            var value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, Types.First(t => t.Type == tensor.Type).Onnx, tensor.Shape);
            if (tensor.Data.Length > 0) tensor.Data.Span.CopyTo(value.GetTensorMutableRawData());
            return value;
        }
        var texts = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, tensor.Shape);
        var data = tensor.Data.Span;
        for (var i = 0; data.Length > 0; i++)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            texts.StringTensorSetElementAt(data.Slice(4, length), i);
            data = data[(4 + length)..];
        }
        return texts;
    }

    static Tensor TensorOf(string name, OrtValue value)
    {
        if (value.OnnxType == OnnxValueType.ONNX_TYPE_SEQUENCE) return Matrix(name, value);
        var about = value.GetTensorTypeAndShape();
        var shape = about.Shape;
        if (about.ElementDataType != TensorElementType.String)
            return new Tensor(name, Types.First(t => t.Onnx == about.ElementDataType).Type, shape, about.ElementCount == 0 ? [] : value.GetTensorMutableRawData().ToArray());
        var count = (int)about.ElementCount;
        var length = 0;
        for (var i = 0; i < count; i++) length = checked(length + 4 + value.GetStringElementAsSpan(i).Length);
        var data = new byte[length];
        var to = data.AsSpan();
        for (var i = 0; i < count; i++)
        {
            var text = value.GetStringElementAsSpan(i);
            BinaryPrimitives.WriteInt32LittleEndian(to, text.Length);
            text.CopyTo(to[4..]);
            to = to[(4 + text.Length)..];
        }
        return new Tensor(name, TensorType.Bytes, shape, data);
    }

    /// <summary>A list of maps from a class to its probability: a row each.</summary>
    static Tensor Matrix(string name, OrtValue list)
    {
        var rows = list.GetValueCount();
        var (width, data) = (0L, Array.Empty<byte>());
        for (var row = 0; row < rows; row++)
        {
            using var map = list.GetValue(row, OrtAllocator.DefaultInstance);
            if (map.OnnxType != OnnxValueType.ONNX_TYPE_MAP) throw new TaktException(TaktError.NotSupported, $"output '{name}' is a list of {map.OnnxType}; only lists of maps from a class to its probability have a tensor form");
            using var values = map.GetValue(1, OrtAllocator.DefaultInstance);
            var about = values.GetTensorTypeAndShape();
            if (about.ElementDataType != TensorElementType.Float) throw new TaktException(TaktError.NotSupported, $"output '{name}' is a list of maps to {about.ElementDataType}; only float has a tensor form here");
            if (row == 0) (width, data) = (about.ElementCount, new byte[checked(rows * (int)about.ElementCount * sizeof(float))]);
            if (about.ElementCount != width) throw TaktException.Invalid($"output '{name}' has maps of different classes");
            if (width > 0) values.GetTensorMutableRawData().CopyTo(data.AsSpan((int)width * sizeof(float) * row));
        }
        return new Tensor(name, TensorType.Fp32, [rows, width], data);
    }
}
