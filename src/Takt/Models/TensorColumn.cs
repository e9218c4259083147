using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Takt.Data;

namespace Takt.Models;

/// <summary>One value of each row of a tensor, as a column.</summary>
public static class TensorColumn
{
    /// <param name="width">Values a row.</param>
    /// <param name="at">Which of them.</param>
    public static Column Of(string name, Tensor tensor, int rows, int width, int at)
    {
        var data = tensor.Data.Span;
        switch (tensor.Type)
        {
            case TensorType.Bytes:
                var texts = new string?[rows];
                for (var i = 0; i < rows * width; i++)
                {
                    var length = BinaryPrimitives.ReadInt32LittleEndian(data);
                    if (i % width == at) texts[i / width] = Encoding.UTF8.GetString(data.Slice(4, length));
                    data = data[(4 + length)..];
                }
                return Column.Of(name, texts);
            case TensorType.Bool:
                var booleans = new bool[rows];
                for (var row = 0; row < rows; row++) booleans[row] = data[(row * width) + at] != 0;
                return Column.Of(name, booleans);
            case TensorType.Fp16 or TensorType.Bf16 or TensorType.Fp32 or TensorType.Fp64 or TensorType.Uint64:
                var numbers = new double[rows];
                for (var row = 0; row < rows; row++)
                {
                    var i = (row * width) + at;
                    numbers[row] = tensor.Type switch
                    {
                        TensorType.Fp64 => MemoryMarshal.Read<double>(data[(i * 8)..]),
                        TensorType.Fp32 => MemoryMarshal.Read<float>(data[(i * 4)..]),
                        TensorType.Uint64 => MemoryMarshal.Read<ulong>(data[(i * 8)..]),
                        TensorType.Fp16 => (double)MemoryMarshal.Read<Half>(data[(i * 2)..]),
                        _ => BitConverter.Int32BitsToSingle(MemoryMarshal.Read<ushort>(data[(i * 2)..]) << 16),
                    };
                }
                return Column.Of(name, numbers);
            default:
                var integers = new long[rows];
                for (var row = 0; row < rows; row++)
                {
                    var i = (row * width) + at;
                    integers[row] = tensor.Type switch
                    {
                        TensorType.Uint8 => data[i],
                        TensorType.Int8 => (sbyte)data[i],
                        TensorType.Uint16 => MemoryMarshal.Read<ushort>(data[(i * 2)..]),
                        TensorType.Int16 => MemoryMarshal.Read<short>(data[(i * 2)..]),
                        TensorType.Uint32 => MemoryMarshal.Read<uint>(data[(i * 4)..]),
                        TensorType.Int32 => MemoryMarshal.Read<int>(data[(i * 4)..]),
                        _ => MemoryMarshal.Read<long>(data[(i * 8)..]),
                    };
                }
                return Column.Of(name, integers);
        }
    }
}
