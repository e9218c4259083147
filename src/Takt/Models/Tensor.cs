using System.Buffers.Binary;

namespace Takt.Models;

/// <summary>Values of one type in a box of any number of dimensions, row-major and little-endian: the very bytes of a binary tensor on the wire.</summary>
/// <param name="shape">None: a scalar.</param>
/// <param name="data">Bytes elements are a u32 length and so many bytes each. May be the request's own buffer: it is valid while the request is.</param>
public sealed class Tensor(string name, TensorType type, long[] shape, ReadOnlyMemory<byte> data)
{
    /// <summary>No tensor has more values: what is beyond can't be addressed.</summary>
    public const long MostValues = int.MaxValue;

    public string Name => name;

    public TensorType Type => type;

    public long[] Shape => shape;

    public ReadOnlyMemory<byte> Data => data;

    /// <summary>How many values there are; -1: more than <see cref="MostValues"/>.</summary>
    public long Count => CountOf(shape);

    /// <summary>The datatype on the wire, such as <c>FP32</c>.</summary>
    public static string NameOf(TensorType type) => Names[(int)type];

    /// <summary>The type of a datatype on the wire; null: there is none of this name.</summary>
    public static TensorType? TypeOf(string name) => Array.IndexOf(Names, name) is >= 0 and var at ? (TensorType)at : null;

    /// <summary>Bytes of one value; 0: values of Bytes are of any length.</summary>
    public static int SizeOf(TensorType type) => type switch
    {
        TensorType.Bool or TensorType.Uint8 or TensorType.Int8 => 1,
        TensorType.Uint16 or TensorType.Int16 or TensorType.Fp16 or TensorType.Bf16 => 2,
        TensorType.Uint32 or TensorType.Int32 or TensorType.Fp32 => 4,
        TensorType.Uint64 or TensorType.Int64 or TensorType.Fp64 => 8,
        _ => 0,
    };

    /// <inheritdoc cref="Count"/>
    public static long CountOf(ReadOnlySpan<long> shape)
    {
        Int128 count = 1;
        var (empty, large) = (false, false);
        foreach (var length in shape)
        {
            empty |= length == 0;
            if (!large) count *= length;
            large |= count > MostValues;
        }
        return empty ? 0 : large ? -1 : (long)count;
    }

    public static string ShapeText(IEnumerable<long> shape) => $"[{string.Join(',', shape)}]";

    /// <summary>What is wrong with the bytes; null: they fit type and shape.</summary>
    public string? DataFault()
    {
        if (Count < 0) return $"input '{name}' has shape {ShapeText(shape)}: more than {MostValues} values";
        if (type != TensorType.Bytes)
        {
            if (data.Length != Count * SizeOf(type)) return $"input '{name}' has {data.Length} bytes; {Count} {NameOf(type)} are {Count * SizeOf(type)}";
            return type == TensorType.Bool && data.Span.IndexOfAnyExceptInRange((byte)0, (byte)1) is >= 0 and var at ? $"input '{name}', value {at + 1}: {data.Span[at]} is no BOOL" : null;
        }
        var rest = data.Span;
        for (var i = 0L; i < Count; i++)
        {
            if (rest.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(rest) > (uint)(rest.Length - 4)) return $"input '{name}' ends within value {i + 1} of {Count}";
            rest = rest[(4 + (int)BinaryPrimitives.ReadUInt32LittleEndian(rest))..];
        }
        return rest.Length == 0 ? null : $"input '{name}' has {rest.Length} bytes more than its {Count} values";
    }

    /// <summary>Its own bytes, whoever gave them.</summary>
    public Tensor Copy() => new(name, type, shape, data.ToArray());

    static readonly string[] Names = Enum.GetNames<TensorType>().Select(n => n.ToUpperInvariant()).ToArray();
}
