using System.Text;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>A message <c>ModelInferRequest</c>, read to what <see cref="InferRequest"/> makes columns of; the values stay where they are in the bytes.</summary>
static class InferMessage
{
    const int MostDimensions = 8;

    /// <summary>Each is an object; a message of 64 MiB has room for thirty million empty ones.</summary>
    const int MostTensors = 10_000;

    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <param name="final">Whether the answer is to say that it is the last one, as Triton's clients of streams may ask.</param>
    /// <exception cref="TaktException">Invalid: not a message of this form. NotSupported: values in shared memory.</exception>
    public static InferRequest Parse(ReadOnlySpan<byte> message, out bool final)
    {
        var request = new InferRequest { BinaryOutput = true };
        var inputs = new List<InferRequest.Tensor>();
        var raw = new List<Range>();
        final = false;
        try
        {
            var reader = new ProtobufReader(message);
            while (reader.Next(out var field))
                switch (field)
                {
                    case 3:
                        request.Id = Text(ref reader, "id") is { Length: > 0 } id ? id : null;
                        break;
                    case 4:
                        Parameter(reader.Bytes(), request, ref final);
                        break;
                    case 5:
                        var tensor = reader.Bytes();
                        inputs.Add(Input(tensor, reader.Position - tensor.Length, inputs.Count + 1));
                        break;
                    case 6:
                        Output(reader.Bytes(), request);
                        break;
                    case 7:
                        var values = reader.Bytes();
                        raw.Add((reader.Position - values.Length)..reader.Position);
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            if (inputs.Count > MostTensors || request.Outputs.Count > MostTensors || raw.Count > MostTensors) throw TaktException.Invalid($"the request has over {MostTensors} tensors");
        }
        catch (FormatException e)
        {
            throw new TaktException(TaktError.Invalid, "the message is no ModelInferRequest", e);
        }
        if (inputs.Count == 0) throw TaktException.Invalid("inputs is missing: tensors with name, shape, datatype and contents, or raw_input_contents");
        Place(request, inputs, raw);
        return request;
    }

    /// <summary>All tensors raw, or none.</summary>
    static void Place(InferRequest request, List<InferRequest.Tensor> inputs, List<Range> raw)
    {
        if (raw.Count > 0 && raw.Count != inputs.Count) throw TaktException.Invalid($"raw_input_contents has {raw.Count} entries for {inputs.Count} inputs; it must have one for each, in order, or none");
        var faults = new List<string>();
        for (var i = 0; i < inputs.Count; i++)
        {
            var input = inputs[i];
            if (raw.Count == 0) request.Add(input with { IsContents = true });
            else if (input.Bytes > 0) faults.Add($"input '{input.Name}' has contents, and the request raw_input_contents; send one of them");
            else request.Add(input with { From = raw[i].Start.Value, Bytes = raw[i].End.Value - raw[i].Start.Value });
        }
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
    }

    /// <param name="at">Where the tensor's message begins in the whole.</param>
    static InferRequest.Tensor Input(ReadOnlySpan<byte> tensor, int at, int number)
    {
        var (name, dataType, from, length) = ("", "", 0, 0);
        var shape = new List<long>(2);
        var reader = new ProtobufReader(tensor);
        while (reader.Next(out var field))
            switch (field)
            {
                case 1:
                    name = Text(ref reader, $"the name of input {number}");
                    break;
                case 2:
                    dataType = Text(ref reader, $"the datatype of input {number}");
                    break;
                case 3 when reader.IsBytes:
                    for (var pack = new ProtobufReader(reader.Bytes()); !pack.AtEnd;) Dimension(shape, (long)pack.Varint(), number);
                    break;
                case 3:
                    Dimension(shape, reader.Whole(), number);
                    break;
                case 4:
                    if (Key(reader.Bytes(), out _) is "shared_memory_region") throw new TaktException(TaktError.NotSupported, $"input '{name}' is in shared memory, which this server does not read; send its values");
                    break;
                case 5:
                    var contents = reader.Bytes();
                    if (length > 0) throw TaktException.Invalid($"input {number} has contents twice");
                    (from, length) = (at + reader.Position - contents.Length, contents.Length);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        if (name.Length == 0) throw TaktException.Invalid($"input {number} has no name");
        return new InferRequest.Tensor(name, dataType, [.. shape], from, length);
    }

    static void Dimension(List<long> shape, long size, int input)
    {
        if (size < 0) throw TaktException.Invalid($"the shape of input {input} holds {size}; whole numbers from 0 on are allowed");
        if (shape.Count == MostDimensions) throw TaktException.Invalid($"the shape of input {input} has over {MostDimensions} dimensions");
        shape.Add(size);
    }

    static void Output(ReadOnlySpan<byte> output, InferRequest request)
    {
        var name = "";
        bool? binary = null;
        var reader = new ProtobufReader(output);
        while (reader.Next(out var field))
            if (field == 1) name = Text(ref reader, $"the name of output {request.Outputs.Count + 1}");
            else if (field != 2) reader.Skip();
            else if (Key(reader.Bytes(), out var value) is var key && key == "binary_data") binary = Bool(value, key);
            else if (key == "shared_memory_region") throw new TaktException(TaktError.NotSupported, $"output '{name}' is wanted in shared memory, which this server does not write");
            else if (key == "classification") throw new TaktException(TaktError.NotSupported, $"output '{name}': classification is not supported");
        if (name.Length == 0) throw TaktException.Invalid($"output {request.Outputs.Count + 1} has no name");
        request.Add(name, binary);
    }

    static void Parameter(ReadOnlySpan<byte> entry, InferRequest request, ref bool final)
    {
        switch (Key(entry, out var value))
        {
            case "event_time":
                long? milliseconds = null;
                string? text = null;
                var reader = new ProtobufReader(value);
                while (reader.Next(out var field))
                    if (field is 2 or 5) milliseconds = reader.Whole();
                    else if (field == 3) text = Text(ref reader, "parameters.event_time");
                    else reader.Skip();
                request.EventTime = InferRequest.Time(milliseconds, text);
                break;
            case "key":
                var key = "";
                for (var of = new ProtobufReader(value); of.Next(out var kind);)
                    if (kind == 3) key = Text(ref of, "parameters.key");
                    else of.Skip();
                request.Keys = new PredictionKeys([key], inOne: true);
                break;
            case "timeout":
                var timeout = -1L;
                for (var number = new ProtobufReader(value); number.Next(out var kind);)
                    if (kind is 2 or 5) timeout = number.Whole();
                    else number.Skip();
                request.Timeout = InferRequest.Microseconds(timeout);
                break;
            case "binary_data_output":
                request.BinaryOutput = Bool(value, "binary_data_output");
                break;
            case "triton_enable_empty_final_response":
                final = Bool(value, "triton_enable_empty_final_response");
                break;
        }
    }

    /// <summary>An entry of a map: its key, and the message of its value.</summary>
    static string Key(ReadOnlySpan<byte> entry, out ReadOnlySpan<byte> value)
    {
        var key = "";
        value = default;
        var reader = new ProtobufReader(entry);
        while (reader.Next(out var field))
            if (field == 1) key = Text(ref reader, "the name of a parameter");
            else if (field == 2) value = reader.Bytes();
            else reader.Skip();
        return key;
    }

    static bool Bool(ReadOnlySpan<byte> value, string name)
    {
        bool? result = null;
        var reader = new ProtobufReader(value);
        while (reader.Next(out var field))
            if (field == 1) result = reader.Whole() != 0;
            else
            {
                result = null;
                reader.Skip();
            }
        return result ?? throw TaktException.Invalid($"the parameter {name} must be a bool_param");
    }

    static string Text(ref ProtobufReader reader, string what)
    {
        try
        {
            return Strict.GetString(reader.Bytes());
        }
        catch (DecoderFallbackException)
        {
            throw TaktException.Invalid($"{what} is no UTF-8");
        }
    }
}
