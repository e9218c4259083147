using System.Buffers;
using Google.Protobuf;
using Grpc.Core;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>One message as it goes over the wire, in a buffer of the pool; or, on its way out, one that is still to be written.</summary>
/// <remarks>The generated classes would make some sixty objects of a request of twelve tensors; this is one, and the bytes are copied once.</remarks>
sealed class WireMessage
{
    readonly IMessage? _message;
    readonly int _length;
    byte[]? _buffer;

    WireMessage(byte[] buffer, int length) => (_buffer, _length) = (buffer, length);

    public WireMessage(IMessage message) => _message = message;

    public static Marshaller<WireMessage> Marshaller { get; } = new(Write, Read);

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>For <paramref name="length"/> bytes, which the caller writes.</summary>
    public static WireMessage Of(int length, out Span<byte> bytes)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        bytes = buffer.AsSpan(0, length);
        return new WireMessage(buffer, length);
    }

    /// <summary>Its bytes must not be touched afterwards.</summary>
    public void GiveBack()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    static WireMessage Read(DeserializationContext context)
    {
        var message = Of(context.PayloadLength, out var bytes);
        context.PayloadAsReadOnlySequence().CopyTo(bytes);
        return message;
    }

    static void Write(WireMessage message, SerializationContext context)
    {
        if (message._message is { } generated)
        {
            context.SetPayloadLength(generated.CalculateSize());
            generated.WriteTo(context.GetBufferWriter());
        }
        else
        {
            context.SetPayloadLength(message._length);
            context.GetBufferWriter().Write(message.Bytes.Span);
            message.GiveBack();
        }
        context.Complete();
    }
}
