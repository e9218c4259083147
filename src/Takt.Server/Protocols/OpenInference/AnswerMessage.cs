using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Inference;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>A <c>ModelInferResponse</c>: of a tabular model from parts that are made once a slot and the numbers after them; of any other from its columns.</summary>
sealed class AnswerMessage
{
    static readonly ConditionalWeakTable<Slot, AnswerMessage> Known = [];

    readonly byte[] _head, _prediction, _model, _output;
    readonly bool _isSingle;

    AnswerMessage(Slot slot)
    {
        var output = slot.Model!.Rows!.Output;
        _head = new ModelInferResponse { ModelName = slot.Revision.Endpoint, ModelVersion = slot.Version }.ToByteArray();
        _prediction = Parameter("prediction_id", new string('0', PredictionId.Length)).ToByteArray()[..^PredictionId.Length];
        _model = slot.Revision.Model is { } version ? Parameter("model", version).ToByteArray() : [];
        _output = new ModelInferResponse.Types.InferOutputTensor { Name = output.Name, Datatype = InferRequest.DataType(output.Type) }.ToByteArray();
        _isSingle = output.Type == FieldType.Float;
    }

    /// <returns>Null: its scores are no FP32 or FP64 on the wire.</returns>
    public static AnswerMessage? Of(Slot slot) => slot.Model!.Rows!.Output.Type is not (FieldType.Float or FieldType.Double) ? null
        : Known.TryGetValue(slot, out var known) ? known : Known.GetValue(slot, s => new AnswerMessage(s));

    /// <param name="requestId">Empty: none.</param>
    /// <param name="streamed">It stands in a <c>ModelStreamInferResponse</c>.</param>
    public WireMessage Write(PredictionId id, ReadOnlySpan<byte> requestId, ReadOnlySpan<double> scores, bool streamed)
    {
        var shape = Size(scores.Length);
        var output = _output.Length + 1 + Size(shape) + shape;
        var raw = scores.Length * (_isSingle ? 4 : 8);
        var length = _head.Length + (requestId.IsEmpty ? 0 : 1 + Size(requestId.Length) + requestId.Length) + _prediction.Length + PredictionId.Length + _model.Length
            + 1 + Size(output) + output + 1 + Size(raw) + raw;
        var message = WireMessage.Of(length + (streamed ? 1 + Size(length) : 0), out var to);
        if (streamed) Tag(ref to, 2, length);
        Put(ref to, _head);
        if (!requestId.IsEmpty)
        {
            Tag(ref to, 3, requestId.Length);
            Put(ref to, requestId);
        }
        Put(ref to, _prediction);
        id.Write(to);
        to = to[PredictionId.Length..];
        Put(ref to, _model);
        Tag(ref to, 5, output);
        Put(ref to, _output);
        Tag(ref to, 3, shape);
        Number(ref to, scores.Length);
        Tag(ref to, 6, raw);
        if (!_isSingle) MemoryMarshal.AsBytes(scores).CopyTo(to); // little-endian, as every machine that runs this
        else
            for (var row = 0; row < scores.Length; row++) BinaryPrimitives.WriteSingleLittleEndian(to[(row * 4)..], (float)scores[row]);
        return message;
    }

    /// <summary>Raw, as Triton answers, unless one of the outputs is wanted otherwise and all have a field: it is all or none.</summary>
    public static ModelInferResponse Of(string model, InferRequest request, Answer answer)
    {
        var response = Parameter("prediction_id", answer.Id);
        if (answer.Revision.Model is { } version) response.Parameters["model"] = new InferParameter { StringParam = version };
        response.ModelName = model;
        response.ModelVersion = answer.Revision.Number.ToString();
        if (request.Id is { } id) response.Id = id;
        if (answer.Tensors is { } tensors)
        {
            var isRaw = tensors.All(t => request.IsBinary(t.Name)) || tensors.Any(t => !TensorJson.Has(t.Type));
            foreach (var tensor in tensors)
            {
                var output = new ModelInferResponse.Types.InferOutputTensor { Name = tensor.Name, Datatype = Tensor.NameOf(tensor.Type), Shape = { tensor.Shape } };
                if (isRaw) response.RawOutputContents.Add(UnsafeByteOperations.UnsafeWrap(tensor.Data)); // nobody else has them
                else output.Contents = Contents(tensor);
                response.Outputs.Add(output);
            }
            return response;
        }
        var fields = answer.Signature.Outputs.Where(f => request.Outputs.Count == 0 || request.Outputs.Contains(f.Name)).ToList();
        var raw = fields.TrueForAll(f => request.IsBinary(f.Name));
        foreach (var field in fields)
        {
            var column = answer.Outputs[field.Name];
            var output = new ModelInferResponse.Types.InferOutputTensor { Name = field.Name, Datatype = InferRequest.DataType(field.Type) };
            output.Shape.Add(column.Length);
            response.Outputs.Add(output);
            if (!raw)
            {
                output.Contents = Contents(column, field.Type);
                continue;
            }
            var bytes = new byte[BinaryTensor.Size(column, field.Type)];
            BinaryTensor.Write(bytes, column, field.Type);
            response.RawOutputContents.Add(UnsafeByteOperations.UnsafeWrap(bytes)); // nobody else has them
        }
        return response;
    }

    internal static InferTensorContents Contents(Tensor tensor)
    {
        var contents = new InferTensorContents();
        var data = tensor.Data.Span;
        switch (tensor.Type)
        {
            case TensorType.Bool: foreach (var value in data) contents.BoolContents.Add(value != 0); break;
            case TensorType.Int8: foreach (var value in MemoryMarshal.Cast<byte, sbyte>(data)) contents.IntContents.Add(value); break;
            case TensorType.Int16: foreach (var value in MemoryMarshal.Cast<byte, short>(data)) contents.IntContents.Add(value); break;
            case TensorType.Int32: foreach (var value in MemoryMarshal.Cast<byte, int>(data)) contents.IntContents.Add(value); break;
            case TensorType.Int64: foreach (var value in MemoryMarshal.Cast<byte, long>(data)) contents.Int64Contents.Add(value); break;
            case TensorType.Uint8: foreach (var value in data) contents.UintContents.Add(value); break;
            case TensorType.Uint16: foreach (var value in MemoryMarshal.Cast<byte, ushort>(data)) contents.UintContents.Add(value); break;
            case TensorType.Uint32: foreach (var value in MemoryMarshal.Cast<byte, uint>(data)) contents.UintContents.Add(value); break;
            case TensorType.Uint64: foreach (var value in MemoryMarshal.Cast<byte, ulong>(data)) contents.Uint64Contents.Add(value); break;
            case TensorType.Fp32: foreach (var value in MemoryMarshal.Cast<byte, float>(data)) contents.Fp32Contents.Add(value); break;
            case TensorType.Fp64: foreach (var value in MemoryMarshal.Cast<byte, double>(data)) contents.Fp64Contents.Add(value); break;
            case TensorType.Bytes:
                for (; data.Length > 0; data = data[(4 + BinaryPrimitives.ReadInt32LittleEndian(data))..]) contents.BytesContents.Add(ByteString.CopyFrom(data.Slice(4, BinaryPrimitives.ReadInt32LittleEndian(data))));
                break;
            default: throw new ArgumentOutOfRangeException(nameof(tensor), tensor.Type, "it has no field");
        }
        return contents;
    }

    static InferTensorContents Contents(Column column, FieldType type)
    {
        var contents = new InferTensorContents();
        for (var row = 0; row < column.Length; row++)
            switch (type)
            {
                case FieldType.Boolean: contents.BoolContents.Add(BinaryTensor.NumberAt(column, row) != 0); break;
                case FieldType.Integer: contents.IntContents.Add((int)BinaryTensor.WholeAt(column, row)); break;
                case FieldType.Long or FieldType.Datetime: contents.Int64Contents.Add(BinaryTensor.WholeAt(column, row)); break;
                case FieldType.Float: contents.Fp32Contents.Add((float)BinaryTensor.NumberAt(column, row)); break;
                case FieldType.Double: contents.Fp64Contents.Add(BinaryTensor.NumberAt(column, row)); break;
                default: contents.BytesContents.Add(ByteString.CopyFromUtf8(BinaryTensor.TextAt(column, row))); break;
            }
        return contents;
    }

    static ModelInferResponse Parameter(string name, string value) => new() { Parameters = { [name] = new InferParameter { StringParam = value } } };

    static int Size(int number) => CodedOutputStream.ComputeLengthSize(number);

    static void Tag(ref Span<byte> to, int field, int length)
    {
        to[0] = (byte)((field << 3) | 2);
        to = to[1..];
        Number(ref to, length);
    }

    static void Number(ref Span<byte> to, int number)
    {
        var rest = (uint)number;
        var at = 0;
        for (; rest >= 0x80; rest >>= 7) to[at++] = (byte)(rest | 0x80);
        to[at] = (byte)rest;
        to = to[(at + 1)..];
    }

    static void Put(ref Span<byte> to, ReadOnlySpan<byte> part)
    {
        part.CopyTo(to);
        to = to[part.Length..];
    }
}
