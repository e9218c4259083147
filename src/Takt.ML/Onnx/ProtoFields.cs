using Google.Protobuf;

namespace Takt.ML.Onnx;

/// <summary>The fields of a protobuf message in their order, each as it was written.</summary>
static class ProtoFields
{
    /// <param name="Number">Of the field.</param>
    /// <param name="Content">Of a text, bytes or message; else null.</param>
    /// <param name="Value">Of a number; 0 otherwise.</param>
    public readonly record struct Field(int Number, ByteString? Content, ulong Value)
    {
        public string Text => Content!.ToStringUtf8();

        public void Write(ProtoWriter to)
        {
            if (Content is null) to.Number(Number, (long)Value);
            else to.Bytes(Number, Content.Span);
        }
    }

    /// <exception cref="TaktException">Invalid: it holds numbers of a fixed size.</exception>
    public static List<Field> Of(ReadOnlySpan<byte> message)
    {
        var fields = new List<Field>();
        using var input = new CodedInputStream(message.ToArray());
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
            fields.Add(WireFormat.GetTagWireType(tag) switch
            {
                WireFormat.WireType.LengthDelimited => new(WireFormat.GetTagFieldNumber(tag), input.ReadBytes(), 0),
                WireFormat.WireType.Varint => new(WireFormat.GetTagFieldNumber(tag), null, input.ReadUInt64()),
                var type => throw TaktException.Invalid($"field {WireFormat.GetTagFieldNumber(tag)} has wire type {type}, which none of those read here has"),
            });
        return fields;
    }
}
